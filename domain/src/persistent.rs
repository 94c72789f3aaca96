//! Collections that share what they have in common: copying a state costs the same however much it holds.
//!
//! Serialised as the ordered collections of the standard library, ascending by key, so equal states have equal bytes. They
//! are read by way of those, which trust no length that the bytes claim.

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use imbl::{OrdMap, OrdSet, Vector};
use serde::{Deserialize, Deserializer};

/// For `deserialize_with`: a map.
pub(crate) fn map<'de, D, K, V>(deserializer: D) -> Result<OrdMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord + Clone,
    V: Deserialize<'de> + Clone,
{
    BTreeMap::deserialize(deserializer).map(|read| read.into_iter().collect())
}

/// For `deserialize_with`: a set.
pub(crate) fn set<'de, D, T>(deserializer: D) -> Result<OrdSet<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Ord + Clone,
{
    BTreeSet::deserialize(deserializer).map(|read| read.into_iter().collect())
}

/// For `deserialize_with`: a list.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vector<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Clone,
{
    Vec::deserialize(deserializer).map(Vector::from)
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Shared {
        #[serde(deserialize_with = "map")]
        map: OrdMap<u32, u64>,
        #[serde(deserialize_with = "set")]
        set: OrdSet<u32>,
        #[serde(deserialize_with = "list")]
        list: Vector<u32>,
    }

    #[derive(Default, Serialize)]
    struct Standard {
        map: BTreeMap<u32, u64>,
        set: BTreeSet<u32>,
        list: Vec<u32>,
    }

    fn bytes(value: &impl Serialize) -> Vec<u8> {
        bincode::serde::encode_to_vec(value, bincode::config::standard()).unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Shared, bincode::error::DecodeError> {
        bincode::serde::decode_from_slice(bytes, bincode::config::standard()).map(|(value, _)| value)
    }

    #[test]
    fn bytes_are_those_of_the_standard_collections_in_whatever_order_things_came() {
        let (mut shared, mut backwards, mut standard) =
            (Shared::default(), Shared::default(), Standard::default());
        for number in 0..2_000_u32 {
            let (key, last) = (number.wrapping_mul(2_654_435_761), 1_999 - number);
            shared.map.insert(key, u64::from(number));
            backwards.map.insert(last.wrapping_mul(2_654_435_761), u64::from(last));
            standard.map.insert(key, u64::from(number));
            shared.set.insert(key);
            backwards.set.insert(last.wrapping_mul(2_654_435_761));
            standard.set.insert(key);
            shared.list.push_back(number);
            backwards.list.push_front(last);
            standard.list.push(number);
        }
        // What is taken out again leaves no trace.
        for key in 0..100 {
            shared.map.insert(key * 2 + 1, 0);
            shared.map.remove(&(key * 2 + 1));
        }
        for key in 0..100 {
            backwards.map.remove(&(key * 2 + 1));
            standard.map.remove(&(key * 2 + 1));
        }
        assert_eq!(bytes(&shared), bytes(&standard));
        assert_eq!(bytes(&backwards), bytes(&standard));
        assert_eq!(read(&bytes(&standard)).unwrap(), shared);
    }

    #[test]
    fn a_length_that_the_bytes_do_not_hold_is_refused() {
        // 253 announces a 64-bit number.
        let claimed = [&[253_u8][..], &u64::MAX.to_le_bytes()].concat();
        for before in [&[][..], &[0], &[0, 0]] {
            assert!(read(&[before, &claimed].concat()).is_err());
        }
    }
}
