//! Every exchange that the tests make is one that the OpenAPI document describes: its path and method, its status, the code of
//! its problem, the JSON of its answer, and whatever of its request the server took.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::{Draft, Validator};
use reqwest::Request;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

/// A request and how it was answered.
pub struct Exchange<'a> {
    method: &'a str,
    path: &'a str,
    query: Vec<(String, String)>,
    headers: &'a HeaderMap,
    body: Option<Value>,
    status: u16,
    problem: bool,
    answer: Option<Value>,
}

impl<'a> Exchange<'a> {
    /// As it went over the wire; `answer` is the body of the answer.
    pub fn new(request: &'a Request, status: u16, headers: &HeaderMap, answer: &[u8]) -> Self {
        let body = request.body().and_then(reqwest::Body::as_bytes);
        let media_type = headers.get("content-type").and_then(|value| value.to_str().ok());
        Self {
            method: request.method().as_str(),
            path: request.url().path(),
            query: request.url().query_pairs().into_owned().collect(),
            headers: request.headers(),
            body: body.and_then(|body| serde_json::from_slice(body).ok()),
            status,
            problem: media_type == Some("application/problem+json"),
            answer: (!answer.is_empty()).then(|| serde_json::from_slice(answer).unwrap_or_default()),
        }
    }

    /// Checks it.
    ///
    /// # Panics
    /// When the document says otherwise.
    #[track_caller]
    pub fn check(&self) {
        if let Err(reason) = self.judge() {
            panic!("{} {} -> {} is not as documented: {reason}", self.method, self.path, self.status);
        }
    }

    fn judge(&self) -> Result<(), String> {
        if !self.path.starts_with("/v1/") {
            return Ok(());
        }
        let Some(operation) = operation(self.method, self.path) else {
            let is_refused = matches!(self.status, 404 | 405 | 429);
            return if is_refused { Ok(()) } else { Err("there is no such operation".to_owned()) };
        };
        let described = resolved(&operation["responses"][self.status.to_string()]);
        if !described.is_object() {
            return Err(format!("the status is not documented: {:?}", self.answer));
        }
        let media_type = if self.problem { "application/problem+json" } else { "application/json" };
        let content = &described["content"][media_type]["schema"];
        match &self.answer {
            None if content.is_null() => {}
            None => return Err("the answer is empty".to_owned()),
            Some(_) if content.is_null() => return Err(format!("no {media_type} is documented")),
            Some(answer) => fits(content, answer)?,
        }
        if self.problem {
            let code = self.answer.as_ref().map(|answer| &answer["code"]);
            let codes = described["x-envoi-codes"].as_array();
            let is_listed = code.zip(codes).is_some_and(|(code, codes)| codes.contains(code));
            if !is_listed {
                return Err(format!("the code {code:?} is not among {codes:?}"));
            }
        }
        if self.status < 300 { self.check_taken(operation) } else { Ok(()) }
    }

    /// What the server took has to be what the document says that it takes.
    fn check_taken(&self, operation: &Value) -> Result<(), String> {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if let (Some(body), true) = (&self.body, schema.is_object()) {
            fits(schema, body).map_err(|error| format!("the request's body: {error}"))?;
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap_or_default();
            let value = match parameter["in"].as_str() {
                Some("query") => {
                    self.query.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
                }
                Some("header") => self.headers.get(name).and_then(|value| value.to_str().ok()),
                _ => continue,
            };
            match value {
                Some(text) => fits(&parameter["schema"], &typed(&parameter["schema"], text))
                    .map_err(|error| format!("{name}={text}: {error}"))?,
                None if parameter["required"] == true => return Err(format!("{name} is missing")),
                None => {}
            }
        }
        for (name, _) in &self.query {
            let known =
                operation["parameters"].as_array().into_iter().flatten().any(|one| one["name"] == *name);
            if !known {
                return Err(format!("the parameter {name} is not documented"));
            }
        }
        Ok(())
    }
}

/// A parameter's text as the JSON that its schema speaks of.
fn typed(schema: &Value, text: &str) -> Value {
    let is_number = schema["type"] == "integer" || schema["$ref"] == "#/components/schemas/Timestamp";
    match text.parse::<i64>() {
        Ok(number) if is_number => json!(number),
        _ => json!(text),
    }
}

fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let paths = api::openapi::document()["paths"].as_object()?;
    let (_, operations) = paths.iter().find(|(template, _)| matches(template, path))?;
    operations.get(method.to_lowercase())
}

/// What a reference refers to.
fn resolved(described: &'static Value) -> &'static Value {
    let place = described["$ref"].as_str().map(|reference| reference.trim_start_matches('#'));
    place.and_then(|place| api::openapi::document().pointer(place)).unwrap_or(described)
}

fn matches(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(part), Some(other)) if part == other || (part.starts_with('{') && !other.is_empty()) => {}
            _ => return false,
        }
    }
}

/// Whether a value is what a schema of the document says.
fn fits(schema: &Value, value: &Value) -> Result<(), String> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let validator = {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&schema.to_string()) {
            Some(validator) => Arc::clone(validator),
            None => {
                let validator = Arc::new(compiled(schema)?);
                known.insert(schema.to_string(), Arc::clone(&validator));
                validator
            }
        }
    };
    let errors: Vec<_> =
        validator.iter_errors(value).map(|error| format!("{} at {}", error, error.instance_path())).collect();
    if errors.is_empty() { Ok(()) } else { Err(format!("{} in {value}", errors.join("; "))) }
}

fn compiled(schema: &Value) -> Result<Validator, String> {
    // Beside the components that it refers to.
    let components = &api::openapi::document()["components"];
    let whole = json!({ "allOf": [schema], "components": { "schemas": components["schemas"] } });
    let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
    options.build(&whole).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, path: &str, status: u16, answer: &Value) -> Result<(), String> {
        let media_type = if status < 300 { "application/json" } else { "application/problem+json" };
        let headers = HeaderMap::from_iter([("content-type".parse().unwrap(), media_type.parse().unwrap())]);
        let url = format!("http://localhost{path}").parse().unwrap();
        let request = Request::new(method.parse().unwrap(), url);
        let answer = answer.to_string().into_bytes();
        Exchange::new(&request, status, &headers, &answer).judge()
    }

    fn problem(code: &str) -> Value {
        json!({ "type": "", "title": "", "status": 404, "code": code, "detail": "", "request_id": "" })
    }

    #[test]
    fn what_the_document_does_not_say_is_found() {
        let organizations = json!({ "items": [] });
        assert!(check("GET", "/v1/organizations?limit=2", 200, &organizations).is_ok());
        assert!(check("GET", "/v1/organizations", 200, &json!({ "rows": [] })).is_err(), "another body");
        assert!(check("GET", "/v1/organizations?page=2", 200, &organizations).is_err(), "a parameter");
        assert!(check("GET", "/v1/organizations?limit=1000", 200, &organizations).is_err(), "its value");
        assert!(check("GET", "/v1/organizations", 203, &organizations).is_err(), "another status");
        assert!(check("GET", "/v1/organisations", 200, &organizations).is_err(), "another path");
        let path = "/v1/organizations/0190f5a0-7d3c-7000-8000-000000000000";
        assert!(check("GET", path, 404, &problem("organization_not_found")).is_ok());
        assert!(check("GET", path, 404, &problem("message_not_found")).is_err(), "another code");
    }
}
