//! `quorumlb plan`: what would be decided, offline.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use quorumlb_actors::source::{self, Loaded, Severity};
use quorumlb_raft_store::plan::{Advertisement, Plan, Warning, plan_for};

use crate::output::{NO, WRONG, print, table, wrong};

/// The largest earlier plan that is read.
const MAX_PLAN_BYTES: u64 = 256 << 20;

/// Print what would be decided for manifests: addresses, owners, what each node tells its BGP routers, what is pending and
/// why. Nothing is changed and nothing is asked over the network; the same code decides in a running group.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  quorumlb plan manifests/ nodes.yaml\n  \
    quorumlb plan manifests/ -o json > before.json\n  \
    quorumlb plan changed/ --from before.json        what a change would move\n\n\
    Exit status: 0 a plan was made, 1 with --fail-on-pending and a service pending, 2 wrong input.")]
pub struct PlanCommand {
    /// Files, or folders with *.yaml, *.yml and *.json.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Continue from an earlier plan (its JSON): what stands is kept, and moves are listed.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Exit with 1 when a service is pending.
    #[arg(long)]
    fail_on_pending: bool,
    /// How to print: json (the default) for programs, table for people.
    #[arg(short, long, value_enum, default_value_t = crate::output::Format::Json)]
    output: crate::output::Format,
}

impl PlanCommand {
    pub fn run(self) -> ExitCode {
        let from = match self.from.as_deref().map(earlier).transpose() {
            Ok(from) => from,
            Err(message) => return wrong(message),
        };
        let mut loaded = source::load(&self.paths);
        if loaded.has_errors() {
            let report = source::render(&loaded.diagnostics);
            let _ = writeln!(io::stderr(), "{report}no plan: the input is not valid");
            return ExitCode::from(WRONG);
        }
        let (mut plan, state) = plan_for(std::mem::take(&mut loaded.wanted), from.as_ref());
        plan.warnings.extend(input_warnings(&loaded));
        plan.warnings.sort();
        match self.output {
            crate::output::Format::Table => print(&for_people(&plan)),
            crate::output::Format::Json => match serde_json::to_string_pretty(&plan) {
                Ok(mut json) => {
                    json.push('\n');
                    print(&json);
                }
                Err(error) => return wrong(error),
            },
            crate::output::Format::Yaml => match serde_json::to_value(&plan) {
                Ok(plan) => print(&crate::yaml::to_yaml(&plan)),
                Err(error) => return wrong(error),
            },
        }
        let code =
            if self.fail_on_pending && !plan.pending.is_empty() { ExitCode::from(NO) } else { ExitCode::SUCCESS };
        // The process is about to end: giving back what a large input took, piece by piece, only takes time.
        std::mem::forget((loaded, plan, state));
        code
    }
}

fn earlier(path: &Path) -> Result<Plan, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut text = String::new();
    let file = File::open(path).map_err(|error| failed(&error))?;
    file.take(MAX_PLAN_BYTES + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
    if text.len() as u64 > MAX_PLAN_BYTES {
        return Err(failed(&"larger than 256 MiB: this is no plan"));
    }
    serde_json::from_str(&text).map_err(|error| failed(&format!("not an earlier plan in JSON: {error}")))
}

fn input_warnings(loaded: &Loaded) -> impl Iterator<Item = Warning> {
    let warnings = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Warning);
    warnings.map(|found| Warning {
        object: found.object.clone().unwrap_or_else(|| found.file.display().to_string()),
        message: format!("{} ({}:{}:{})", found.message, found.file.display(), found.line, found.column),
    })
}

/// Why no node answers for an address. That no policy speaks for it is no warning, since BGP may tell of it.
fn why_nobody(plan: &Plan, address: IpAddr) -> String {
    let object = address.to_string();
    let why = plan.warnings.iter().filter(|warning| warning.object == object);
    let mut why = why.filter_map(|warning| warning.message.strip_prefix("no node may answer for it: "));
    why.next().unwrap_or("no L2 policy speaks for the address").to_owned()
}

fn for_people(plan: &Plan) -> String {
    let addresses = |list: &[IpAddr]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let allocations = plan.allocations.iter();
    let mut text = table(
        &["SERVICE", "ADDRESSES", "POOLS"],
        allocations.map(|of| vec![of.service.clone(), addresses(&of.addresses), of.pools.join(", ")]).collect(),
        "No service gets an address.",
    );
    let owned = plan
        .owners
        .iter()
        .map(|of| (of.address, vec![of.node.clone(), of.interfaces.join(", "), of.epoch.to_string(), String::new()]));
    let mut rows: BTreeMap<IpAddr, Vec<String>> = owned.collect();
    for address in plan.allocations.iter().flat_map(|of| &of.addresses) {
        let nobody = || vec!["nobody".to_owned(), String::new(), String::new(), why_nobody(plan, *address)];
        rows.entry(*address).or_insert_with(nobody);
    }
    let rows = rows.into_iter().map(|(address, cells)| [vec![address.to_string()], cells].concat()).collect();
    text += "\n";
    text += &table(&["ADDRESS", "OWNER", "INTERFACES", "EPOCH", "WHY"], rows, "No address is given out.");
    if !plan.advertisements.is_empty() {
        text += "\n";
        text += &table(
            &["NODE", "PEER", "PREFIX", "LOCAL-PREF", "COMMUNITIES"],
            plan.advertisements.iter().map(advertisement).collect(),
            "",
        );
    }
    if !plan.pending.is_empty() {
        let rows = plan.pending.iter().map(|of| vec![of.service.clone(), of.reason.clone(), of.message.clone()]);
        text += "\n";
        text += &table(&["PENDING", "REASON", "MESSAGE"], rows.collect(), "");
    }
    if !plan.lost.is_empty() {
        let now = |of: &[IpAddr]| if of.is_empty() { "nothing".to_owned() } else { addresses(of) };
        let rows =
            plan.lost.iter().map(|of| vec![of.service.clone(), addresses(&of.addresses), now(&of.now), of.why.clone()]);
        text += "\n";
        text += &table(&["LOSES", "ADDRESSES", "GETS", "WHY"], rows.collect(), "");
    }
    if !plan.moves.is_empty() {
        let to = |to: &Option<String>| to.clone().unwrap_or_else(|| "nobody".to_owned());
        let rows = plan
            .moves
            .iter()
            .map(|of| vec![of.address.to_string(), of.from.clone(), to(&of.to), format!("{:?}", of.why)]);
        text += "\n";
        text += &table(&["MOVES", "FROM", "TO", "WHY"], rows.collect(), "");
    }
    let rows = plan.pools.iter().map(|of| {
        vec![of.name.clone(), of.used.to_string(), of.total.to_string(), of.conflict.clone().unwrap_or_default()]
    });
    text += "\n";
    text += &table(&["POOL", "USED", "TOTAL", "CONFLICT"], rows.collect(), "No pools.");
    for warning in &plan.warnings {
        text += &format!("warning: {}: {}\n", warning.object, warning.message);
    }
    text
}

fn advertisement(told: &Advertisement) -> Vec<String> {
    let local_pref = told.local_pref.map(|local_pref| local_pref.to_string()).unwrap_or_default();
    vec![told.node.clone(), told.peer.clone(), told.prefix.clone(), local_pref, told.communities.join(" ")]
}
