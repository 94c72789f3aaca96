//! Lists as configuration writes them.

use std::fmt::Display;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Reads what a variable holds: parts between commas.
///
/// # Errors
/// What `part` says of the first that is none.
pub fn parse<T, E>(text: &str, part: impl Fn(&str) -> Result<T, E>) -> Result<Vec<T>, E> {
    text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(part).collect()
}

/// Reads a list of texts, as in a file, or one text with commas, as in a variable.
///
/// # Errors
/// As [`parse`].
pub fn deserialize<'de, D: Deserializer<'de>, T, E: Display>(
    deserializer: D,
    part: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a list of texts")]
    enum Written {
        Text(String),
        List(Vec<String>),
    }
    let read = match Written::deserialize(deserializer)? {
        Written::Text(text) => parse(&text, part),
        Written::List(texts) => texts.iter().map(|text| part(text.trim())).collect(),
    };
    read.map_err(D::Error::custom)
}
