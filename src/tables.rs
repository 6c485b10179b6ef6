//! Rows of the admin side as tables for people.

use serde_json::Value;

use crate::events::moment;
use crate::output::table;

/// A column: its header, and its cell of a row.
type Column = (&'static str, fn(&Value) -> String);

/// A list as a table.
pub fn list(what: &str, rows: &[Value]) -> String {
    let columns = columns(what);
    let header: Vec<&str> = columns.iter().map(|(header, _)| *header).collect();
    let cells = rows.iter().map(|row| columns.iter().map(|(_, cell)| cell(row)).collect()).collect();
    let what = if what == "bgp" { "BGP sessions" } else { what };
    table(&header, cells, &format!("No {what}."))
}

fn columns(what: &str) -> &'static [Column] {
    match what {
        "services" => &[
            ("SERVICE", |row| text(&row["service"])),
            ("ADDRESSES", |row| joined(&row["addresses"])),
            ("OWNERS", owners_of),
            ("BACKENDS", backends_of),
            ("STATE", state_of),
        ],
        "pools" => &[
            ("POOL", |row| text(&row["name"])),
            ("DIALECT", |row| text(&row["dialect"])),
            ("USED", |row| text(&row["used"])),
            ("AVAILABLE", |row| text(&row["available"])),
            ("TOTAL", |row| text(&row["total"])),
            ("STATE", |row| match row["disabled"] == true {
                true => "disabled".to_owned(),
                false => text(&row["conflict"]),
            }),
        ],
        "nodes" => &[
            ("NODE", |row| text(&row["name"])),
            ("SESSION", |row| text(&row["session"])),
            ("RAFT", |row| {
                let leads = if row["leader"] == true { ", leads" } else { "" };
                let silent = if row["leader_silent"] == true { ", does not answer" } else { "" };
                format!("{}{leads}{silent}", text(&row["raft"]))
            }),
            ("OWNED", |row| text(&row["owned"])),
            ("ADDRESS", |row| text(&row["address"])),
            ("VERSION", |row| text(&row["version"])),
            ("INTERFACES", interfaces_of),
            ("CONFIG", |row| {
                let behind =
                    if row["config_current"] == false && !row["config"].is_null() { " (not in force)" } else { "" };
                format!("{}{behind}", text(&row["config"]))
            }),
            ("REMARKS", remarks_of),
        ],
        "owners" => &[
            ("ADDRESS", |row| text(&row["address"])),
            ("NODE", |row| text(&row["node"])),
            ("INTERFACES", |row| joined(&row["interfaces"])),
            ("EPOCH", |row| text(&row["epoch"])),
            ("SERVICES", |row| joined(&row["services"])),
            ("STATE", |row| match row["moving"] == true {
                true => format!("moving to {} ({})", or(&row["to"], "another node"), text(&row["why"])),
                false => text(&row["why_not"]),
            }),
        ],
        "backends" => &[
            ("SERVICE", |row| text(&row["service"])),
            ("ADDRESS", |row| text(&row["address"])),
            ("PORT", |row| text(&row["port"])),
            ("WEIGHT", |row| text(&row["weight"])),
            ("READY", |row| text(&row["ready"])),
            ("NODE", |row| text(&row["node"])),
        ],
        "bgp" => &[
            ("NODE", |row| text(&row["node"])),
            ("PEER", |row| text(&row["peer"])),
            ("ROUTER", |row| text(&row["router"])),
            ("AS", |row| text(&row["remote_asn"])),
            ("STATE", |row| text(&row["state"])),
            ("UP", |row| row["up_seconds"].as_u64().map(lasting).unwrap_or_default()),
            ("ROUTES", |row| text(&row["routes"])),
            ("BFD", |row| text(&row["bfd"])),
            ("LAST ERROR", last_error),
        ],
        _ => &[
            ("NODE", |row| text(&row["node"])),
            ("PEER", |row| text(&row["peer"])),
            ("PREFIX", |row| text(&row["prefix"])),
            ("LOCAL-PREF", |row| text(&row["localPref"])),
            ("COMMUNITIES", |row| joined(&row["communities"])),
            ("TOLD", |row| if row["told"].as_bool() == Some(true) { "yes" } else { "no" }.to_owned()),
            ("WHY", |row| text(&row["why"])),
        ],
    }
}

fn lasting(seconds: u64) -> String {
    humantime::format_duration(std::time::Duration::from_secs(seconds)).to_string()
}

fn last_error(row: &Value) -> String {
    let error = text(&row["last_error"]);
    match row["last_error_seconds_ago"].as_u64() {
        Some(ago) => format!("{error} ({} ago)", lasting(ago)),
        None => error,
    }
}

/// Everything about one service: who answers for each address, and why the other nodes do not.
pub fn service(row: &Value) -> String {
    let mut text_of = String::new();
    for answer in items(&row["answers"]) {
        let owner = or(&answer["owner"], "nobody");
        let why = text(&answer["why_not"]);
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        text_of += &format!("\n{} is answered by {owner}{why}\n", text(&answer["address"]));
        for node in items(&answer["nodes"]) {
            let may = if node["eligible"] == true { "could: " } else { "" };
            text_of += &format!("  not by {}: {may}{}\n", text(&node["node"]), text(&node["why"]));
        }
    }
    text_of
}

/// What stands above everything that a node tells of the group while no quorum confirms it.
pub fn unconfirmed(session: &Value) -> String {
    if !session["valid_for_ms"].is_null() {
        return String::new();
    }
    let since = session["confirmed_ms"].as_u64().map_or_else(|| "it started".to_owned(), moment);
    format!("Not confirmed by a quorum since {since}: this is what the node last knew.\n\n")
}

/// The configuration in force: its objects by name.
pub fn config(report: &Value) -> String {
    let rows = items(&report["objects"]).iter().map(|of| vec![text(&of["name"]), text(&of["source"])]).collect();
    let digest = or(&report["digest"], "none is complete yet");
    format!("configuration {digest} (-o yaml tells what the objects say)\n\n")
        + &table(&["OBJECT", "SOURCE"], rows, "It is empty.")
}

/// The place in the Raft group.
pub fn raft(report: &Value) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            out += &format!("{name:<12}{value}\n");
        }
    };
    let with = |value: &Value, why: &Value| format!("{} {}", text(value), text(why)).trim().to_owned();
    line("node", text(&report["node"]));
    let silent = report["leader_silent_ms"].as_u64();
    let silent = silent.map(|ms| format!(", which has not answered for {} s", ms / 1000)).unwrap_or_default();
    line("leader", format!("{}{silent}", or(&report["leader"], "nobody")));
    line("role", with(&report["role"], &report["role_why"]));
    line("term", text(&report["term"]));
    line("phase", with(&report["phase"], &report["phase_why"]));
    line("last log", text(&report["last_log"]));
    line("applied", text(&report["applied"]));
    line("snapshot", text(&report["snapshot"]));
    line("disk", with(&report["disk"], &report["disk_why"]));
    let session = &report["session"];
    line(
        "session",
        match session["valid_for_ms"].as_u64() {
            Some(valid) => format!("valid for {valid} ms"),
            None => format!("not valid: {}", text(&session["why_not"])),
        },
    );
    let row = |member: &Value| {
        let part = if member["voter"] == true { "voter" } else { "learner" };
        let leads = if member["leader"] == true { ", leads" } else { "" };
        let silent = text(&member["silent_ms"]);
        let silent = match silent.is_empty() {
            true if member["never_heard"] == true => "never heard of".to_owned(),
            true => silent,
            false => format!("{silent} ms"),
        };
        vec![
            text(&member["name"]),
            text(&member["id"]),
            text(&member["address"]),
            format!("{part}{leads}"),
            silent,
            text(&member["lag"]),
        ]
    };
    let rows: Vec<_> = items(&report["members"]).iter().map(row).collect();
    let hint = match report["leader"].as_str() {
        Some(leader) if report["leader"] != report["node"] && !rows.is_empty() => {
            format!("SILENT and LAG are known on the leader alone: ask on {leader}.\n")
        }
        _ => String::new(),
    };
    out + "\n" + &table(&["MEMBER", "ID", "ADDRESS", "PART", "SILENT", "LAG"], rows, "No members.") + &hint
}

fn owners_of(row: &Value) -> String {
    let answers = items(&row["answers"]).iter();
    answers.map(|answer| or(&answer["owner"], "nobody")).collect::<Vec<_>>().join(", ")
}

fn backends_of(row: &Value) -> String {
    let backends = &row["backends"];
    match backends["known"] == true {
        true => format!("{}/{}", text(&backends["ready"]), text(&backends["total"])),
        false => "not known".to_owned(),
    }
}

fn state_of(row: &Value) -> String {
    let mut said = Vec::new();
    if !row["pending"].is_null() {
        said.push(format!("pending: {}: {}", text(&row["pending"]["reason"]), text(&row["pending"]["message"])));
    }
    let silent = items(&row["answers"]).iter().filter(|answer| answer["why_not"] != "");
    said.extend(silent.map(|answer| format!("{}: {}", text(&answer["address"]), text(&answer["why_not"]))));
    said.join("; ")
}

fn interfaces_of(row: &Value) -> String {
    let name = |of: &Value| format!("{}{}", text(&of["name"]), if of["up"] == false { " (down)" } else { "" });
    items(&row["interfaces"]).iter().map(name).collect::<Vec<_>>().join(", ")
}

fn remarks_of(row: &Value) -> String {
    let mut remarks: Vec<String> = items(&row["not_eligible"]).iter().map(text).collect();
    if row["leaving"] == true {
        remarks.push("leaving".to_owned());
    }
    if row["config_error"] != "" {
        remarks.push(format!("its files are wrong: {}", text(&row["config_error"])));
    }
    remarks.join("; ")
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn joined(value: &Value) -> String {
    items(value).iter().map(text).collect::<Vec<_>>().join(", ")
}

fn or(value: &Value, otherwise: &str) -> String {
    value.as_str().unwrap_or(otherwise).to_owned()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
