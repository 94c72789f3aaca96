//! Bodies: JSON in UTF-8, nothing unknown in it.

use serde::de::{DeserializeOwned, IgnoredAny};

use crate::problem::{Code, Problem};

/// Reads a body.
///
/// # Errors
/// [`Code::MalformedJson`] for what is no JSON, [`Code::InvalidBody`] with the field for JSON that does not fit.
pub fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if holds_nul(body) {
        return Err(Problem::from(Code::MalformedJson).detail("a text holds the character U+0000"));
    }
    // A list of values would be taken for an object's fields in their order.
    let is_object = body.trim_ascii_start().first() == Some(&b'{');
    match serde_json::from_slice(body) {
        Ok(value) if is_object => Ok(value),
        // Only what fails pays for finding out where.
        _ => Err(why_not::<T>(body, is_object)),
    }
}

/// Whether some text in it has the character NUL, which neither names nor the database take.
fn holds_nul(body: &[u8]) -> bool {
    let mut rest = body;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let escape = rest.get(at + 1..).unwrap_or_default();
        if escape.starts_with(b"u0000") {
            return true;
        }
        // What is escaped may be a backslash, which then begins nothing.
        rest = escape.get(1..).unwrap_or_default();
    }
    false
}

fn why_not<T: DeserializeOwned>(body: &[u8], is_object: bool) -> Problem {
    let Ok(text) = std::str::from_utf8(body) else {
        return Problem::from(Code::MalformedJson).detail("the body is not UTF-8");
    };
    match serde_json::from_str::<IgnoredAny>(text) {
        Err(error) => Problem::from(Code::MalformedJson).detail(format!(
            "the body is no JSON at line {}, column {}",
            error.line(),
            error.column()
        )),
        Ok(_) if is_object => locate::<T>(body),
        Ok(_) => Problem::field(".", "an object is expected"),
    }
}

fn locate<T: DeserializeOwned>(body: &[u8]) -> Problem {
    let mut reader = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => Code::MalformedJson.into(),
        Err(error) => {
            let reason = reason(&error.inner().to_string());
            let place = error.path().to_string();
            let field = match named(&reason) {
                Some(name) if place == "." => name.to_owned(),
                // An unknown field is the last part of the path already.
                Some(name) if place.ends_with(name) => place,
                Some(name) => format!("{place}.{name}"),
                None => place,
            };
            Problem::field(field, reason)
        }
    }
}

/// The text without the place, and without the value that was sent: it may be a password.
fn reason(text: &str) -> String {
    let text = text.rsplit_once(" at line ").map_or(text, |(reason, _)| reason);
    match (text.find("invalid type: "), text.find("invalid value: "), text.find(", expected ")) {
        (Some(_), _, Some(expected)) => format!("another kind of value is{}", text.split_at(expected + 1).1),
        (_, Some(_), Some(expected)) => format!("another value is{}", text.split_at(expected + 1).1),
        _ => text.to_owned(),
    }
}

/// The field that a message about an unknown, missing or repeated one names.
fn named(reason: &str) -> Option<&str> {
    let about_field = ["unknown field", "missing field", "duplicate field"];
    about_field.iter().any(|start| reason.starts_with(start)).then_some(())?;
    reason.split('`').nth(1)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(rename = "name")]
        _name: String,
        #[serde(rename = "inner", default)]
        _inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(rename = "count")]
        _count: u32,
    }

    fn problem(body: &[u8]) -> (u16, String, serde_json::Value) {
        let problem = json::<Outer>(body).unwrap_err();
        let text = problem.to_json("r")["detail"].as_str().unwrap().to_owned();
        (problem.status().as_u16(), text, problem.to_json("r")["field"].clone())
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        for body in [&b"{"[..], b"", b"nope", b"{\"name\":\"\xff\"}", b"{\"name\":\"a\"} x", b"{\"name\":7"] {
            assert_eq!(problem(body).0, 400, "{body:?}");
        }
    }

    #[test]
    fn a_nul_in_a_text_is_malformed_however_it_is_written() {
        for body in [
            &br#"{"name":"a\u0000"}"#[..],
            br#"{"name":"\\\u0000"}"#,
            br#"{"na\u0000me":"a"}"#,
            b"{\"name\":\"a\0\"}",
        ] {
            assert_eq!(problem(body).0, 400, "{body:?}");
        }
        assert!(json::<Outer>(br#"{"name":"\\u0000"}"#).is_ok());
    }

    #[test]
    fn an_unknown_field_is_named_with_its_path() {
        assert_eq!(problem(br#"{"name":"a","nmae":1}"#).2, "nmae");
        assert_eq!(problem(br#"{"name":"a","inner":[{"count":1},{"count":1,"x":2}]}"#).2, "inner[1].x");
    }

    #[test]
    fn a_missing_field_is_named_with_its_path() {
        assert_eq!(problem(b"{}").2, "name");
        assert_eq!(problem(br#"{"name":"a","inner":[{}]}"#).2, "inner[0].count");
    }

    #[test]
    fn a_list_of_the_values_is_no_object() {
        assert_eq!(problem(br#"["a",[]]"#), (422, "an object is expected".to_owned(), ".".into()));
    }

    #[test]
    fn a_repeated_field_is_refused() {
        assert_eq!(problem(br#"{"name":"a","name":"b"}"#).0, 422);
    }

    #[test]
    fn a_value_of_another_kind_is_not_repeated_in_the_answer() {
        let (status, text, field) = problem(br#"{"name":"a","inner":"hunter2"}"#);
        assert_eq!((status, field.as_str()), (422, Some("inner")));
        assert!(!text.contains("hunter2") && text.contains("expected"), "{text}");
    }
}
