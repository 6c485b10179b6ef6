//! A CustomResourceDefinition around a schema.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

const GROUP: &str = "quorumlb.io";
const VERSION: &str = "v1alpha1";

/// What `kubectl get` shows in a column.
pub(super) struct Column {
    pub name: &'static str,
    pub kind: &'static str,
    pub path: &'static str,
}

/// A kind, apart from its schema.
pub(super) struct Definition {
    pub kind: &'static str,
    pub plural: &'static str,
    pub columns: Vec<Column>,
}

impl Definition {
    /// The whole CustomResourceDefinition, cluster-scoped, with the status subresource.
    pub fn with_schema<T: JsonSchema>(self) -> Value {
        let columns: Vec<Value> = self
            .columns
            .iter()
            .map(|column| json!({"name": column.name, "type": column.kind, "jsonPath": column.path}))
            .collect();
        let singular = self.kind.to_lowercase();
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{}.{GROUP}", self.plural)},
            "spec": {
                "group": GROUP,
                "scope": "Cluster",
                "names": {
                    "kind": self.kind,
                    "listKind": format!("{}List", self.kind),
                    "plural": self.plural,
                    "singular": singular,
                    "categories": ["quorumlb"],
                },
                "versions": [{
                    "name": VERSION,
                    "served": true,
                    "storage": true,
                    "schema": {"openAPIV3Schema": structural::<T>()},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": columns,
                }],
            },
        })
    }
}

/// A schema in the part of OpenAPI v3 that Kubernetes takes: everything in place, no `null`, no formats that it does not
/// know.
fn structural<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    Structural.transform(&mut schema);
    schema.to_value()
}

struct Structural;

impl Transform for Structural {
    fn transform(&mut self, schema: &mut Schema) {
        for unknown in ["title", "nullable", "additionalProperties"] {
            // A map's values have a schema; an object's `false` is what Kubernetes does anyway, and refuses to be told.
            if unknown != "additionalProperties" || schema.get(unknown) == Some(&Value::Bool(false)) {
                schema.remove(unknown);
            }
        }
        if schema.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
            schema.insert("format".to_owned(), json!("int64"));
        }
        if schema.get("default") == Some(&Value::Null) {
            schema.remove("default");
        }
        if let Some(Value::String(text)) = schema.get("description") {
            let text = text.replace("\n\n", "\u{0}").replace('\n', " ").replace('\u{0}', "\n");
            schema.insert("description".to_owned(), Value::String(text));
        }
        transform_subschemas(self, schema);
    }
}
