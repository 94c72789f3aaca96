//! Lists for people and machines.

use domain::Timestamp;
use envoi_client::api::dto::Page;
use envoi_client::http::Outgoing;
use envoi_client::{Client, Error};
use serde_json::Value;

use crate::cli::{Output, text};

/// Every row of a list, page after page, as the server tells of it.
///
/// # Errors
/// [`Error::Api`].
pub async fn all(client: &Client, path: &str) -> Result<Vec<Value>, Error> {
    let (mut rows, mut cursor): (Vec<Value>, Option<String>) = (Vec::new(), None);
    loop {
        let request = Outgoing::get(path).query("cursor", cursor.take());
        let page: Page<Value> = client.session().call(request).await?.body;
        rows.extend(page.items);
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(rows),
        }
    }
}

/// Prints rows: all they hold for machines, the named columns for people, `empty` when there are none.
pub fn print(output: Output, rows: &[Value], columns: &[(&str, &str)], empty: &str) {
    output.result(&rows, || {
        if rows.is_empty() {
            return empty.to_owned();
        }
        let head = columns.iter().map(|(title, _)| (*title).to_owned()).collect();
        let cells =
            |row: &Value| columns.iter().map(|(_, field)| cell(field, row.get(*field))).collect::<Vec<_>>();
        text::table(&std::iter::once(head).chain(rows.iter().map(cells)).collect::<Vec<_>>())
    });
}

fn cell(field: &str, value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text::name(text),
        Some(Value::Number(micros)) if field.ends_with("_at") => {
            micros.as_i64().map(Timestamp::from_micros).map_or_else(|| "-".to_owned(), text::time)
        }
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_missing_values_are_readable() {
        assert_eq!(cell("sent_at", Some(&Value::from(1_700_000_000_000_000i64))), "2023-11-14 22:13:20Z");
        assert_eq!(cell("name", None), "-");
        assert_eq!(cell("name", Some(&Value::from("a\nb"))), "a␊b");
        assert_eq!(cell("number", Some(&Value::from(7))), "7");
    }
}
