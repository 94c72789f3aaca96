//! The documentation of every route: OpenAPI 3.1, derived from the registry and the types that the handlers really use.
//!
//! Schemas come from `schemars`, as those of the events do: a JSON Schema of the 2020-12 draft is what OpenAPI 3.1 takes.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::contract::{self, Kind};
use crate::endpoint::{About, Access, Endpoint, Intent, IntentKind, Trust, Verb, is_something, who};
use crate::etag;
use crate::limits::{CURSOR_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX, PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX};
use crate::routes::ROUTES;

const INTRODUCTION: &str = "\
Envoi is an end-to-end-encrypted, multi-tenant messaging platform. Every change becomes an event in an append-only log.

**Changes** carry an `Idempotency-Key`, new for each and the same for each retry of one: a repeated change answers what it \
did the first time, with `Idempotency-Replayed: true`. Their answers carry an `ETag`, which a later change may demand with \
`If-Match`, and an `Envoi-Position`, which a later question may wait for with `Envoi-Min-Position` to see what was changed. \
Questions carry an `ETag`, too: asked again with `If-None-Match` they are answered with 304 as long as nothing changed.

**Changes without a login** are answered alike whatever is there, repeated or not: an e-mail tells. They know no `If-Match`.

**Lists** come in pages: `limit`, and `cursor` from the page before. Cursors and positions are opaque and yours alone.

**Problems** are `application/problem+json` (RFC 9457); `code` is stable, the text is for people.

Times are microseconds since 1970-01-01T00:00:00Z. Bytes are base64url without padding. What a person had erased is null \
beside `\"erased\": true`. Something that does not exist and something that you may not know of are answered alike.";

const LIVE: &str = "\
The access token comes as `Authorization`, as the subprotocol `bearer.<token>` beside `envoi.v1`, or in the first frame; never \
in the URL. The first frame is `hello`, with `resume_after` to go on behind a cursor. Between one cursor and the next everything \
comes that the account may see, or a `reset` says that it has to be read anew. A socket that is closed with code 4000 or 1001 \
reconnects and resumes. The frames are described in `ops/docs/live.md`, \
the events by the JSON Schema at `/v1/live-events.json`.";

/// Most codes of a refusal that is written once, named by them.
const SHARED_CODES_MAX: usize = 3;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut document = Document::new();
    for route in ROUTES {
        (route.document)(&mut document);
    }
    document.finish()
});

/// The whole document.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// The document while routes are written into it.
pub struct Document {
    schemas: SchemaGenerator,
    paths: Map<String, Value>,
    /// Refusals that many routes share.
    refusals: Map<String, Value>,
}

impl Document {
    fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self { schemas: settings.into_generator(), paths: Map::new(), refusals: Map::new() }
    }

    /// Writes one endpoint.
    pub fn add<E: Endpoint>(&mut self) {
        let about = E::ABOUT;
        let (summary, description) = about.text.split_once("\n\n").unwrap_or((about.text, ""));
        let mut parameters = self.parameters::<E::Path>("path");
        parameters.extend(self.parameters::<E::Query>("query"));
        parameters.extend(headers(<E::Intent as Intent>::KIND, &about));
        let mut operation = json!({
            "operationId": about.name,
            "tags": [about.context()],
            "summary": summary,
            "description": description,
            "parameters": parameters,
            "responses": self.responses::<E>(),
            "x-envoi-roles": about.who.iter().map(|role| role.as_str()).collect::<Vec<_>>(),
        });
        if <E::Caller as Trust>::ACCESS != Access::Anonymous {
            insert(&mut operation, "security", json!([{ "access_token": [] }]));
        }
        if is_something::<E::Body>() {
            let schema = self.schemas.subschema_for::<E::Body>();
            let content = json!({ "application/json": { "schema": schema } });
            insert(&mut operation, "requestBody", json!({ "required": true, "content": content }));
        }
        let path = self.paths.entry(about.path).or_insert_with(|| json!({}));
        insert(path, &about.verb.as_str().to_lowercase(), operation);
    }

    fn parameters<T: JsonSchema>(&mut self, place: &str) -> Vec<Value> {
        let schema = T::json_schema(&mut self.schemas);
        let Some(Value::Object(properties)) = schema.get("properties") else { return Vec::new() };
        let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut parameters = Vec::new();
        for (name, schema) in properties {
            let is_required = required.iter().any(|one| one == name.as_str());
            let description = schema.get("description").cloned().unwrap_or_default();
            let schema = parameter_schema(name, schema);
            parameters.push(json!({
                "name": name, "in": place, "required": is_required, "schema": schema, "description": description,
            }));
        }
        parameters
    }

    fn responses<E: Endpoint>(&mut self) -> Value {
        let about = E::ABOUT;
        let mut success =
            json!({ "description": "Done.", "headers": answer_headers(<E::Intent as Intent>::KIND) });
        if is_something::<E::Answer>() {
            let mut schema = self.schemas.subschema_for::<E::Answer>().to_value();
            // Any value: generators of clients know it as an empty schema only.
            if schema == Value::Bool(true) {
                schema = json!({});
            }
            insert(&mut success, "content", json!({ "application/json": { "schema": schema } }));
        }
        let kind = Kind {
            access: <E::Caller as Trust>::ACCESS,
            intent: <E::Intent as Intent>::KIND,
            takes_body: is_something::<E::Body>(),
        };
        let mut responses = json!({ about.status.to_string(): success });
        if kind.intent == IntentKind::Query && about.verb == Verb::Get {
            insert(&mut responses, "304", json!({ "description": "It is still as `If-None-Match` says." }));
        }
        for (status, codes) in contract::codes(&about, kind) {
            let refusal = self.refusal(&about, status, &codes);
            insert(&mut responses, &status.to_string(), refusal);
        }
        responses
    }

    /// A refusal with one of `codes`: written once where all routes of a kind have the same, of a few codes.
    fn refusal(&mut self, about: &About, status: u16, codes: &[&str]) -> Value {
        let is_own = codes.iter().any(|code| about.errors.contains(code));
        if is_own || codes.len() > SHARED_CODES_MAX {
            return refusal(status, codes);
        }
        let name = codes.iter().map(|code| camel_case(code)).collect::<Vec<_>>().join("Or");
        let reference = json!({ "$ref": format!("#/components/responses/{name}") });
        self.refusals.entry(name).or_insert_with(|| refusal(status, codes));
        reference
    }

    fn finish(mut self) -> Value {
        self.paths.insert("/v1/live".to_owned(), json!({ "get": live() }));
        let mut schemas = self.schemas.take_definitions(true);
        schemas.insert("Problem".to_owned(), problem_schema());
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Envoi",
                "version": env!("CARGO_PKG_VERSION"),
                "description": INTRODUCTION,
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            },
            "paths": self.paths,
            "components": {
                "schemas": schemas,
                "responses": self.refusals,
                "securitySchemes": {
                    "access_token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
                },
            },
        })
    }
}

fn insert(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value);
    }
}

/// `rate_limited` as `RateLimited`.
fn camel_case(code: &str) -> String {
    let capital =
        |word: &str| word.get(..1).unwrap_or_default().to_uppercase() + word.get(1..).unwrap_or_default();
    code.split('_').map(capital).collect()
}

/// A refusal with one of `codes`.
fn refusal(status: u16, codes: &[&str]) -> Value {
    let mut refusal = json!({
        "description": format!("Why it was not done: `{}`.", codes.join("`, `")),
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
        "x-envoi-codes": codes,
    });
    if matches!(status, 429 | 503) {
        let seconds = json!({ "type": "integer", "minimum": 1 });
        let header = json!({ "schema": seconds, "description": "Seconds after which to try again." });
        insert(&mut refusal, "headers", json!({ "Retry-After": header }));
    }
    refusal
}

/// A parameter's schema: one that is absent is not null, and pages have the same limits everywhere.
fn parameter_schema(name: &str, schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|one| one != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            insert(&mut schema, "type", one);
        }
    }
    if let Some(Value::Array(options)) = schema.get_mut("anyOf") {
        options.retain(|one| one["type"] != "null");
    }
    match name {
        "cursor" => {
            for (name, value) in opaque() {
                insert(&mut schema, name, value);
            }
        }
        "limit" => {
            for (name, value) in [
                ("minimum", json!(1)),
                ("maximum", json!(PAGE_ROWS_MAX)),
                ("default", json!(PAGE_ROWS_DEFAULT)),
            ] {
                insert(&mut schema, name, value);
            }
        }
        _ => {}
    }
    schema
}

/// What cursors and positions look like.
fn opaque() -> [(&'static str, Value); 4] {
    [
        ("type", json!("string")),
        ("minLength", json!(1)),
        ("maxLength", json!(CURSOR_BYTES_MAX)),
        ("pattern", json!("^[A-Za-z0-9_-]+$")),
    ]
}

fn header(name: &str, required: bool, schema: Value, description: &str) -> Value {
    json!({ "name": name, "in": "header", "required": required, "schema": schema, "description": description })
}

fn headers(intent: IntentKind, about: &About) -> Vec<Value> {
    match intent {
        IntentKind::Command => {
            let etag = json!({ "type": "string", "pattern": etag::PATTERN });
            vec![
                idempotency_key(about),
                header("If-Match", false, etag, "The ETag that the change is based on."),
            ]
        }
        IntentKind::AnonymousCommand => vec![idempotency_key(about)],
        IntentKind::Query => {
            let known = json!({ "type": "string", "minLength": 1 });
            let text = "An `Envoi-Position` whose change must be in the answer.";
            let schema =
                Value::Object(opaque().map(|(name, value)| (name.to_owned(), value)).into_iter().collect());
            let mut headers = vec![header("Envoi-Min-Position", false, schema, text)];
            if about.verb == Verb::Get {
                headers.push(header(
                    "If-None-Match",
                    false,
                    known,
                    "The `ETag` of what is known: 304 if it is still so.",
                ));
            }
            headers
        }
        IntentKind::Exchange => Vec::new(),
    }
}

fn idempotency_key(about: &About) -> Value {
    let (schema, text) = if about.key_is_id {
        (
            json!({ "type": "string", "format": "uuid" }),
            "The id of what is made: a UUID, new for each.".to_owned(),
        )
    } else {
        let max = IDEMPOTENCY_KEY_BYTES_MAX;
        let schema = json!({ "type": "string", "minLength": 1, "maxLength": max, "pattern": "^[!-~]+$" });
        (schema, format!("1 to {max} visible ASCII characters, new for each change."))
    };
    header("Idempotency-Key", about.verb == Verb::Post, schema, &text)
}

fn answer_headers(intent: IntentKind) -> Value {
    let header = |text: &str| json!({ "schema": { "type": "string" }, "description": text });
    match intent {
        IntentKind::Command => json!({
            "ETag": header("Revision of what was changed."),
            "Envoi-Position": header("Where the change stands in the log."),
            "Idempotency-Replayed": header("`true` when an earlier request did it."),
        }),
        IntentKind::Query => json!({ "ETag": header("What is shown, with the revision of what has one.") }),
        IntentKind::AnonymousCommand | IntentKind::Exchange => json!({}),
    }
}

/// The live socket: no endpoint, but found where everything else is.
fn live() -> Value {
    let mut responses = json!({ "101": { "description": "The socket is open: say hello." } });
    for (status, codes) in contract::live_codes() {
        insert(&mut responses, &status.to_string(), refusal(status, &codes));
    }
    json!({
        "operationId": "live.connect",
        "tags": ["live"],
        "summary": "Opens a WebSocket that brings events as they happen, and takes commands.",
        "description": LIVE,
        "parameters": [],
        "responses": responses,
        "security": [{ "access_token": [] }],
        "x-envoi-roles": who::ACCOUNTS.iter().map(|role| role.as_str()).collect::<Vec<_>>(),
    })
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "RFC 9457. Some codes bring members of their own.",
        "required": ["type", "title", "status", "code", "detail", "request_id"],
        "properties": {
            "type": { "type": "string", "description": "`urn:envoi:problem:` and the code." },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "code": { "type": "string", "description": "Stable." },
            "detail": { "type": "string", "description": "For people." },
            "request_id": { "type": "string", "description": "Names the request in the server's log." },
            "retry_after": { "type": "integer", "description": "Seconds after which to try again, as in `Retry-After`." },
            "field": { "type": "string", "description": "Which field does not fit." },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_OPENAPI=1 cargo test -p api` writes the file anew.
    #[test]
    fn the_committed_document_is_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let fresh = format!("{}\n", serde_json::to_string_pretty(document()).unwrap());
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, &fresh).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == fresh,
            "api/openapi.json is old: run UPDATE_OPENAPI=1 cargo test -p api openapi"
        );
    }

    #[test]
    fn every_reference_resolves() {
        let text = document().to_string();
        for part in text.split("\"#/components/").skip(1) {
            let place = part.split('"').next().unwrap();
            assert!(document().pointer(&format!("/components/{place}")).is_some(), "{place}");
        }
    }

    #[test]
    fn no_two_schemas_share_a_name() {
        for name in document()["components"]["schemas"].as_object().unwrap().keys() {
            assert!(
                !name.ends_with(|last: char| last.is_ascii_digit()),
                "{name}: rename one with schemars(rename)"
            );
        }
    }

    #[test]
    fn every_body_refuses_unknown_fields() {
        let document = document();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for operation in operations.as_object().unwrap().values() {
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
                let Some(name) = schema.as_str().and_then(|name| name.rsplit('/').next()) else { continue };
                let body = &document["components"]["schemas"][name];
                assert_eq!(body["additionalProperties"], false, "{path}: {name}");
            }
        }
    }
}
