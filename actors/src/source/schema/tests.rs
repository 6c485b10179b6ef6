//! The schemas against the decoders: fields, bounds, defaults; and against manifests that are known to be good.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::{Diagnostic, Loaded, SourceFile, read};
use super::definitions;

/// The kinds and the schemas of their `spec`.
fn specs() -> BTreeMap<String, Value> {
    let kind = |definition: &Value| definition["spec"]["names"]["kind"].as_str().unwrap().to_owned();
    let spec = |definition: &Value| {
        definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
    };
    definitions().iter().map(|definition| (kind(definition), spec(definition))).collect()
}

/// A text that the decoder takes for the field of this name.
fn text(field: &str) -> &'static str {
    match field {
        "addresses" => "10.0.5.0/24",
        "address" => "10.0.5.1",
        "sourceAddress" | "routerID" => "10.0.5.2",
        "interface" | "interfaces" => "net0",
        "gracefulRestart" => "60s",
        "connectRetry" => "10s",
        "hold" => "9s",
        "keepalive" => "3s",
        "transmit" | "receive" => "50ms",
        "communities" => "65000:100",
        _ => "name",
    }
}

/// A value with every field of a schema. `field` is the name of the field that it stands in.
fn sample(schema: &Value, field: &str) -> Value {
    if let Some(first) = schema.get("enum").and_then(|words| words.get(0)) {
        return first.clone();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => match schema.get("properties").and_then(Value::as_object) {
            Some(fields) => fields.iter().map(|(name, schema)| (name.clone(), sample(schema, name))).collect(),
            None => json!({"key": "value"}),
        },
        Some("array") => json!([sample(&schema["items"], field)]),
        Some("boolean") => json!(true),
        Some("integer") => schema["minimum"].clone(),
        _ => json!(text(field)),
    }
}

/// Every place in a sample with its schema, as a JSON pointer.
fn places(schema: &Value, at: String, found: &mut Vec<(String, Value)>) {
    for (name, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        places(schema, format!("{at}/{name}"), found);
    }
    if let Some(items) = schema.get("items") {
        places(items, format!("{at}/0"), found);
    }
    found.push((at, schema.clone()));
}

fn all_places(schema: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    places(schema, String::new(), &mut found);
    found
}

/// Of fields that exclude one another, those that the sample does without.
const LEFT_OUT: [&str; 5] = [
    "/interfacePatterns",
    "/peers/0/interface",
    "/peers/0/multihop",
    "/advertise/0/podCIDRs",
    "/advertise/0/interface",
];

fn remove(value: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, name) = pointer.rsplit_once('/')?;
    value.pointer_mut(parent)?.as_object_mut()?.remove(name)
}

/// The sample without what excludes one another: a good manifest.
fn good_sample(schema: &Value) -> Value {
    let mut spec = sample(schema, "");
    LEFT_OUT.iter().for_each(|pointer| drop(remove(&mut spec, pointer)));
    spec
}

fn load(kind: &str, spec: &Value) -> Loaded {
    let manifest = json!({
        "apiVersion": "quorumlb.io/v1alpha1", "kind": kind, "metadata": {"name": "name"}, "spec": spec,
    });
    let pool = json!({
        "apiVersion": "quorumlb.io/v1alpha1", "kind": "IPPool", "metadata": {"name": "other"},
        "spec": {"addresses": ["10.9.0.0/24"]},
    });
    read(vec![file("sample.yaml", format!("{manifest}\n---\n{pool}\n"))])
}

fn file(path: &str, text: String) -> SourceFile {
    SourceFile { path: path.into(), text }
}

fn errors(loaded: &Loaded) -> BTreeSet<String> {
    let wrong = |problem: &&Diagnostic| problem.severity == super::super::Severity::Error;
    loaded.diagnostics.iter().filter(wrong).map(|problem| problem.message.clone()).collect()
}

/// The sample with something else at one place.
fn with(spec: &Value, pointer: &str, value: Value) -> Value {
    let mut spec = spec.clone();
    *spec.pointer_mut(pointer).unwrap() = value;
    spec
}

#[test]
fn schema_and_decoder_know_the_same_fields() {
    for (kind, schema) in specs() {
        let mut spec = sample(&schema, "");
        let objects: Vec<_> =
            all_places(&schema).into_iter().filter(|(_, schema)| schema.get("properties").is_some()).collect();
        // The decoder answers a field that it does not know with those that it knows.
        for (number, (at, _)) in objects.iter().enumerate() {
            spec.pointer_mut(at).unwrap()[format!("unheardOf{number}")] = json!(1);
        }
        let loaded = load(&kind, &spec);
        let unknown = |problem: &&Diagnostic| problem.message.starts_with("unknown field");
        assert_eq!(loaded.diagnostics.iter().filter(unknown).count(), objects.len(), "{kind}: {:?}", errors(&loaded));
        for (number, (at, schema)) in objects.iter().enumerate() {
            let message = format!("unknown field `unheardOf{number}`");
            let answer = loaded.diagnostics.iter().find(|problem| problem.message == message);
            let hint = answer.unwrap_or_else(|| panic!("{kind}{at} was not looked at")).hint.as_deref().unwrap();
            let decoded: BTreeSet<&str> = hint.split('`').skip(1).step_by(2).collect();
            let described: BTreeSet<&str> =
                schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(decoded, described, "{kind}{at}");
        }
    }
}

#[test]
fn a_manifest_with_every_field_is_good() {
    for (kind, schema) in specs() {
        let spec = good_sample(&schema);
        assert_eq!(errors(&load(&kind, &spec)), BTreeSet::new(), "{kind}: {spec}");
        assert_eq!(problems(&schema, &spec), Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn required_fields_are_the_same() {
    for (kind, schema) in specs() {
        let full = good_sample(&schema);
        for (at, schema) in all_places(&schema).into_iter().filter(|(at, _)| full.pointer(at).is_some()) {
            let required: Vec<&str> = schema
                .get("required")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            for name in schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name)
            {
                let mut spec = full.clone();
                if remove(&mut spec, &format!("{at}/{name}")).is_some() {
                    let missing = errors(&load(&kind, &spec)).contains(&format!("the field `{name}` is missing here"));
                    assert_eq!(missing, required.contains(&name.as_str()), "{kind}{at}/{name}");
                }
            }
        }
    }
}

#[test]
fn bounds_and_words_are_the_same() {
    for (kind, schema) in specs() {
        let full = sample(&schema, "");
        let before = errors(&load(&kind, &full));
        let new_errors = |at: &str, value: Value| {
            let after = errors(&load(&kind, &with(&full, at, value)));
            after.difference(&before).filter(|message| message.starts_with("expected")).count()
        };
        for (at, schema) in all_places(&schema) {
            let taken = |value: Value| assert_eq!(new_errors(&at, value.clone()), 0, "{kind}{at}: {value} is refused");
            let refused = |value: Value| assert_eq!(new_errors(&at, value.clone()), 1, "{kind}{at}: {value} is taken");
            if let Some(Value::Array(words)) = schema.get("enum") {
                words.iter().for_each(|word| taken(word.clone()));
                refused(json!("Nonsense"));
            }
            if schema["type"] == "integer" {
                let [low, high] = ["minimum", "maximum"].map(|bound| schema[bound].as_f64().unwrap() as i64);
                [low, high].into_iter().for_each(|number| taken(json!(number)));
                [low - 1, high + 1].into_iter().for_each(|number| refused(json!(number)));
            }
            if schema["type"] == "boolean" {
                refused(json!("true"));
            }
            let rule = schema.pointer("/x-kubernetes-validations/0/rule").and_then(Value::as_str).unwrap_or_default();
            if rule.starts_with("duration(self) >=") {
                let bounds: Vec<&str> = rule.split('\'').skip(1).step_by(2).collect();
                bounds.iter().for_each(|bound| taken(json!(bound)));
                ["1ms", "1000h", "soon", "5"].into_iter().for_each(|text| refused(json!(text)));
            }
            if schema["type"] == "array" && schema["minItems"] == 1 {
                let wrong = errors(&load(&kind, &with(&full, &at, json!([]))));
                assert!(wrong.iter().any(|message| message.contains("must not be empty")), "{kind}{at}");
            }
        }
    }
}

#[test]
fn a_default_means_what_leaving_the_field_out_means() {
    let mut defaults = 0;
    for (kind, schema) in specs() {
        let full = good_sample(&schema);
        for (at, schema) in all_places(&schema) {
            let (Some(default), Some(_)) = (schema.get("default"), full.pointer(&at)) else { continue };
            let given = load(&kind, &with(&full, &at, default.clone()));
            let mut spec = full.clone();
            remove(&mut spec, &at);
            assert_eq!(given.digest(), load(&kind, &spec).digest(), "{kind}{at}: {default}");
            assert_eq!(errors(&given), BTreeSet::new(), "{kind}{at}");
            defaults += 1;
        }
    }
    assert!(defaults >= 15, "{defaults}");
}

/// What of the schema a value does not keep to.
fn problems(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, value, String::new(), &mut found);
    found
}

/// What a CEL rule says of a value; an error is a no, as for the API server.
fn holds(rule: &str, value: &Value) -> bool {
    let program = cel::Program::compile(rule).unwrap_or_else(|error| panic!("{rule}: {error}"));
    let mut context = cel::Context::default();
    context.add_variable("self", value.clone()).unwrap();
    matches!(program.execute(&context), Ok(cel::Value::Bool(true)))
}

fn check(schema: &Value, value: &Value, at: String, found: &mut Vec<String>) {
    let right = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    let length = value.as_array().map(Vec::len).or(value.as_str().map(str::len)).unwrap_or(0) as f64;
    let outside = value.as_f64().is_some_and(|number| {
        limit("minimum").is_some_and(|low| number < low) || limit("maximum").is_some_and(|high| number > high)
    }) || limit("maxItems").or(limit("maxLength")).is_some_and(|most| length > most)
        || limit("minItems").or(limit("minLength")).is_some_and(|least| length < least);
    let strange = schema.get("enum").and_then(Value::as_array).is_some_and(|words| !words.contains(value))
        || schema["pattern"]
            .as_str()
            .is_some_and(|pattern| !regex::Regex::new(pattern).unwrap().is_match(value.as_str().unwrap_or_default()));
    if !right || outside || strange {
        found.push(format!("{at}: {value}"));
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            found.push(format!("{at}/{name} is missing"));
        }
    }
    for rule in schema.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
        if !holds(rule["rule"].as_str().unwrap(), value) {
            found.push(format!("{at}: {}", rule["message"]));
        }
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name).or(schema.get("additionalProperties")) {
            Some(schema) => check(schema, value, format!("{at}/{name}"), found),
            None => found.push(format!("{at}/{name} is not known")),
        }
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        check(&schema["items"], item, format!("{at}/{number}"), found);
    }
}

/// A YAML tree as JSON, as Kubernetes reads it.
fn to_json(node: &super::super::yaml::Node) -> Value {
    use super::super::yaml::Value as Yaml;
    match &node.value {
        Yaml::Null => Value::Null,
        Yaml::Scalar { text, plain: true } => serde_json::from_str(text)
            .ok()
            .filter(|value: &Value| value.is_number() || value.is_boolean())
            .unwrap_or_else(|| json!(text)),
        Yaml::Scalar { text, .. } => json!(text),
        Yaml::Sequence(items) => items.iter().map(to_json).collect(),
        Yaml::Mapping(entries) => entries.iter().map(|(key, node)| (key.text.clone(), to_json(node))).collect(),
    }
}

/// Checks every manifest of our kinds in a text; returns their kinds.
fn check_manifests(name: &Path, text: String) -> BTreeSet<String> {
    let files = [file(name.to_str().unwrap(), text)];
    let report = super::super::diagnostic::Report::new(&files);
    let (specs, mut seen) = (specs(), BTreeSet::new());
    let mut documents = Vec::new();
    super::super::yaml::parse(0, &files[0].text, &report, |document| documents.push(to_json(&document)));
    for document in documents {
        let kind = document["kind"].as_str().unwrap_or_default().to_owned();
        if let (Some(schema), "quorumlb.io/v1alpha1") = (specs.get(&kind), document["apiVersion"].as_str().unwrap()) {
            assert_eq!(problems(schema, &document["spec"]), Vec::<String>::new(), "{name:?}, {kind}");
            seen.insert(kind);
        }
    }
    seen
}

#[test]
fn good_manifests_keep_to_the_schemas() {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs: PathBuf = ours.join("../docs/manifests.md");
    let text = std::fs::read_to_string(&docs).unwrap();
    let blocks: Vec<&str> = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let documented = check_manifests(&docs, blocks.join("---\n"));
    assert_eq!(documented, specs().into_keys().collect());
    let good = ours.join("tests/manifests/good/native.yaml");
    assert!(!check_manifests(&good, std::fs::read_to_string(&good).unwrap()).is_empty());
}

/// For each rule a way to break it, which the decoder must refuse, too.
#[test]
fn rules_refuse_what_the_decoder_refuses() {
    let broken = [
        ("L2Policy", "/interfacePatterns", json!(["net"]), "interfaces and interfacePatterns"),
        ("L2Policy", "/nodeSelectors/0/matchExpressions/0/operator", json!("Exists"), "take none"),
        ("L2Policy", "/nodeSelectors/0/matchExpressions/0/values", json!([]), "need values"),
        ("BGPPolicy", "/peers/0/interface", json!("net0"), "exactly one of address and interface"),
        ("BGPPolicy", "/peers/0/multihop", json!(2), "multihop and minimumTTL"),
        ("BGPPolicy", "/peers/0/sourceAddress", json!("fd00::1"), "the families differ"),
        ("BGPPolicy", "/peers/0/timers/keepalive", json!("10s"), "longer than hold"),
        ("BGPPolicy", "/peers/0/bfd/transmit", json!("9ms"), "from 10ms to 60s"),
        ("BGPPolicy", "/peers/0/gracefulRestart", json!("4096s"), "from 1s to 4095s"),
        ("BGPPolicy", "/advertise/0/podCIDRs", json!(true), "exactly one thing"),
    ];
    let specs = specs();
    for (kind, pointer, value, message) in broken {
        let (schema, mut spec) = (&specs[kind], good_sample(&specs[kind]));
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        spec.pointer_mut(parent).unwrap()[name] = value;
        let found = problems(schema, &spec);
        assert!(found.iter().any(|problem| problem.contains(message)), "{kind}{pointer}: {found:?}");
        assert!(!errors(&load(kind, &spec)).is_empty(), "{kind}{pointer} is decoded");
    }
}

#[test]
fn what_breaks_a_bound_does_not_keep_to_the_schema() {
    let schema = &specs()["L2Policy"];
    for spec in [json!({"anySubnet": "yes"}), json!({"addresses": ["Cluster"]}), json!({"interface": ["net0"]})] {
        assert_eq!(problems(schema, &spec).len(), 1, "{spec}");
    }
    assert_eq!(problems(&specs()["IPPool"], &json!({"addresses": ["10.0.5.1/"], "priority": -1})).len(), 2);
}
