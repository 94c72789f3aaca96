//! Networks as configuration writes them.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::list;

/// Networks: in a file a list of texts, in a variable one text with commas. A bare address is a network of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl std::ops::Deref for Networks {
    type Target = [IpNet];

    fn deref(&self) -> &[IpNet] {
        &self.0
    }
}

impl FromStr for Networks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        list::parse(text, network).map(Self)
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| {
        format!(
            "{text:?} is no network: write an address, or one with a length as in 10.0.0.0/8 or 2001:db8::/32"
        )
    })
}

impl Serialize for Networks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(IpNet::to_string))
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        list::deserialize(deserializer, network).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_from_a_list_and_from_a_text() {
        let list: Networks = serde_json::from_str(r#"["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"]"#).unwrap();
        let text: Networks = "10.0.0.0/8, 2001:db8::/32,192.0.2.1".parse().unwrap();
        assert_eq!(list, text);
        assert_eq!(
            serde_json::to_value(&list).unwrap(),
            serde_json::json!(["10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32"])
        );
        assert_eq!("".parse::<Networks>(), Ok(Networks::default()));
    }

    #[test]
    fn what_is_no_network_is_refused_by_name() {
        for text in ["10.0.0.0/33", "proxy.example.org", "10.0.0", "10.0.0.1-10.0.0.9", "*"] {
            assert!(text.parse::<Networks>().unwrap_err().contains(text), "{text}");
            let list = serde_json::from_value::<Networks>(serde_json::json!([text])).unwrap_err();
            assert!(list.to_string().contains(text), "{list}");
        }
    }
}
