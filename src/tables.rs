//! Rows of the admin side as tables for people.

use serde_json::Value;

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
            ("RAFT", |row| format!("{}{}", text(&row["raft"]), if row["leader"] == true { ", leads" } else { "" })),
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
            ("STATE", |row| text(&row["state"])),
        ],
        _ => &[
            ("NODE", |row| text(&row["node"])),
            ("PEER", |row| text(&row["peer"])),
            ("PREFIX", |row| text(&row["prefix"])),
        ],
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
    line("leader", or(&report["leader"], "nobody"));
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
    let rows = items(&report["members"]).iter().map(row).collect();
    out + "\n" + &table(&["MEMBER", "ID", "ADDRESS", "PART", "SILENT", "LAG"], rows, "No members.")
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
