//! Several ids in a query string.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::limits::BULK_IDS_MAX;
use crate::problem::{Code, Problem};

/// Reads ids that commas separate: 1 to [`BULK_IDS_MAX`], each once, ascending.
///
/// # Errors
/// When there are none, more, or what is no id.
pub fn ids<T: FromStr + Ord>(field: &'static str, text: &str) -> Result<Vec<T>, Problem> {
    let refused = |why: String| Problem::from(Code::InvalidQuery).with("field", field.into()).detail(why);
    let read: Result<BTreeSet<T>, _> = text.split(',').map(str::parse).collect();
    let ids = read.map_err(|_| refused(format!("{field} are ids, separated by commas")))?;
    if (1..=BULK_IDS_MAX).contains(&ids.len()) {
        return Ok(ids.into_iter().collect());
    }
    Err(refused(format!("1 to {BULK_IDS_MAX} {field} are expected")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_once_each_and_not_too_many() {
        assert_eq!(ids::<u64>("numbers", "3,1,3").unwrap(), [1, 3]);
        let many = |count: usize| (1..=count).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(ids::<u64>("numbers", &many(BULK_IDS_MAX)).unwrap().len(), BULK_IDS_MAX);
        for wrong in ["", ",", "1,", "1,x", "-1", "1 ,2", &many(BULK_IDS_MAX + 1)] {
            assert!(ids::<u64>("numbers", wrong).is_err(), "{wrong}");
        }
    }
}
