//! Origins of web pages as configuration writes them.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::list;

/// Origins (RFC 6454, section 6.2): in a file a list of texts, in a variable one text with commas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Origins(Vec<String>);

impl std::ops::Deref for Origins {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

impl FromStr for Origins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        list::parse(text, origin).map(Self)
    }
}

/// An origin as browsers send it: scheme, host and a port that is not the scheme's own, in small letters and without a path.
fn origin(text: &str) -> Result<String, String> {
    let parsed = reqwest::Url::parse(text).map(|url| url.origin().ascii_serialization());
    if text == "*" || parsed.as_deref() == Ok(text) {
        return Ok(text.to_owned());
    }
    let meant = parsed.ok().filter(|origin| origin != "null");
    let meant = meant.map(|origin| format!("; did you mean {origin:?}?")).unwrap_or_default();
    Err(format!("{text:?} is no origin of a page: write one as in https://app.example.org or *{meant}"))
}

impl<'de> Deserialize<'de> for Origins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        list::deserialize(deserializer, origin).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_from_a_list_and_from_a_text() {
        let list: Origins =
            serde_json::from_str(r#"["https://a.example", "http://127.0.0.1:3000"]"#).unwrap();
        assert_eq!("https://a.example, http://127.0.0.1:3000".parse(), Ok(list));
        assert_eq!("".parse(), Ok(Origins::default()));
        assert!("*".parse::<Origins>().is_ok());
    }

    #[test]
    fn what_no_browser_sends_is_refused_with_what_was_meant() {
        for (text, meant) in [
            ("https://a.example/", "did you mean \"https://a.example\""),
            ("https://A.example:443/app", "did you mean \"https://a.example\""),
            ("a.example", "is no origin"),
            ("*.example", "is no origin"),
        ] {
            let refused = text.parse::<Origins>().unwrap_err();
            assert!(refused.contains(meant), "{refused}");
        }
    }
}
