//! Which address a request comes from: that of its connection, or the one that trusted proxies tell.
//!
//! Each proxy adds, behind whatever was there, the address that the request came to it from. So the addresses are gone
//! through from the connection's on, from right to left, for as long as they are those of trusted proxies; the first other
//! one is the client's. What stands further left was made by the client and is never looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// In which header proxies tell where a request comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// In whichever is there. A client can send the one that the proxy does not: of two that tell different clients neither
    /// is believed.
    #[default]
    Any,
    /// `X-Forwarded-For`; the other is the client's and means nothing.
    XForwardedFor,
    /// `Forwarded` (RFC 7239); the other is the client's and means nothing.
    Forwarded,
}

/// Whose word is taken for where requests come from.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    trusted: Trusted,
    header: ForwardedHeader,
}

#[derive(Clone, Debug, Default)]
enum Trusted {
    /// Nobody: the connection's address is the client's.
    #[default]
    Nobody,
    /// Whoever connects, and nobody further: clients cannot connect themselves.
    Peer,
    /// Those in these networks.
    Networks(Vec<IpNet>),
}

impl Proxies {
    /// One proxy in front, whatever its address: only where nobody else can connect.
    pub fn peer(header: ForwardedHeader) -> Self {
        Self { trusted: Trusted::Peer, header }
    }

    /// Any number of proxies behind one another, all of them in these networks.
    pub fn within(networks: impl IntoIterator<Item = IpNet>, header: ForwardedHeader) -> Self {
        Self { trusted: Trusted::Networks(networks.into_iter().map(canonical).collect()), header }
    }

    /// The address of the client whose request came from `peer`; an IPv4 address never as an IPv6 one. Behind something that
    /// is no address (`unknown`, a name, garbage) it is the last proxy's.
    pub fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer?.to_canonical();
        let is_trusted = match &self.trusted {
            Trusted::Nobody => false,
            Trusted::Peer => true,
            Trusted::Networks(_) => self.is_proxy(peer),
        };
        if !is_trusted {
            return Some(peer);
        }
        let by_x_forwarded_for = || self.follow(peer, x_forwarded_for(headers));
        let by_forwarded = || self.follow(peer, forwarded(headers));
        Some(match self.header {
            ForwardedHeader::XForwardedFor => by_x_forwarded_for(),
            ForwardedHeader::Forwarded => by_forwarded(),
            ForwardedHeader::Any => {
                match (headers.contains_key(X_FORWARDED_FOR), headers.contains_key(FORWARDED)) {
                    (true, true) => {
                        let (one, other) = (by_x_forwarded_for(), by_forwarded());
                        if one == other { one } else { peer }
                    }
                    (true, false) => by_x_forwarded_for(),
                    (false, true) => by_forwarded(),
                    (false, false) => peer,
                }
            }
        })
    }

    /// Goes from a trusted peer along `hops`, the nearest first, to the first that is not trusted.
    fn follow(&self, peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut client = peer;
        for hop in hops {
            let Some(hop) = hop else { break };
            client = hop;
            if !self.is_proxy(hop) {
                break;
            }
        }
        client
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        match &self.trusted {
            Trusted::Nobody | Trusted::Peer => false,
            Trusted::Networks(networks) => networks.iter().any(|network| network.contains(&address)),
        }
    }
}

/// A network of IPv4 addresses that is written as IPv6 ones, as what it is: addresses are compared so.
fn canonical(network: IpNet) -> IpNet {
    match (network.addr().to_canonical(), network.prefix_len().checked_sub(96)) {
        (address @ IpAddr::V4(_), Some(prefix)) if network.addr().is_ipv6() => {
            IpNet::new(address, prefix).unwrap_or(network)
        }
        _ => network,
    }
}

/// The addresses in all `X-Forwarded-For` lines, which are one list, from the right; `None` for what is no address.
fn x_forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    lines(headers, X_FORWARDED_FOR)
        .flat_map(|line| line.rsplit(|byte| *byte == b','))
        .filter_map(text)
        .map(|text| node(text?))
}

/// The same of `Forwarded` (RFC 7239, section 4).
fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    lines(headers, FORWARDED)
        .flat_map(|line| unquoted_rsplit(line, b','))
        .filter(|element| text(element).is_some())
        .map(forwarded_for)
}

/// The `for` parameter of one element: there has to be exactly one.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut values = unquoted_rsplit(element, b';').filter_map(|pair| {
        let (name, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value)
    });
    match (values.next(), values.next()) {
        (Some(value), None) => node(value.trim()),
        _ => None,
    }
}

/// The lines of a header, the last first.
fn lines(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let lines: Vec<_> = headers.get_all(name).map(|value| value.as_bytes()).collect();
    lines.into_iter().rev()
}

/// One element without the space around it; `None` for an empty one, which means nothing (RFC 9110, section 5.6.1), and
/// `Some(None)` for one that is no text.
fn text(element: &[u8]) -> Option<Option<&str>> {
    let element = element.trim_ascii();
    (!element.is_empty()).then(|| std::str::from_utf8(element).ok())
}

/// Parts between separators that stand outside of quotes, from the right: a quote that the client left open further left
/// hides nothing that a proxy added behind it.
fn unquoted_rsplit(bytes: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let mut quoted = false;
        let at = (0..bytes.len()).rev().find(|at| {
            quoted ^= is_quote(bytes, *at);
            !quoted && bytes.get(*at) == Some(&separator)
        });
        match at {
            Some(at) => {
                rest = bytes.get(..at);
                bytes.get(at + 1..)
            }
            None => rest.take(),
        }
    })
}

/// Whether the byte there is a quote that no backslash makes part of a text (RFC 9110, section 5.6.4).
fn is_quote(bytes: &[u8], at: usize) -> bool {
    let before = || bytes.get(..at).unwrap_or_default().iter().rev();
    bytes.get(at) == Some(&b'"') && before().take_while(|byte| **byte == b'\\').count() % 2 == 0
}

/// Reads `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:443`, each also in quotes.
fn node(text: &str) -> Option<IpAddr> {
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let text = quoted.unwrap_or(text);
    let address = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let is_whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        is_whole.then(|| address.parse::<Ipv6Addr>().ok()).flatten()?.into()
    } else if let Ok(address) = text.parse::<IpAddr>() {
        address
    } else {
        let (address, port) = text.split_once(':')?;
        is_port(port).then(|| address.parse::<Ipv4Addr>().ok()).flatten()?.into()
    };
    Some(address.to_canonical())
}

/// A port, or a name for one (RFC 7239, section 6).
fn is_port(text: &str) -> bool {
    let is_name =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number || text.strip_prefix('_').is_some_and(|name| !name.is_empty() && is_name(name))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const PEER: &str = "10.0.0.1";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn headers(lines: &[(HeaderName, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(name.clone(), HeaderValue::from_bytes(line).unwrap());
        }
        headers
    }

    fn trusting(networks: &[&str], header: ForwardedHeader) -> Proxies {
        Proxies::within(networks.iter().map(|one| one.parse().unwrap()), header)
    }

    /// The client behind proxies of 10.0.0.0/8 and 2001:db8:10::/48.
    fn client(peer: &str, lines: &[(HeaderName, &str)]) -> String {
        let lines: Vec<_> = lines.iter().map(|(name, line)| (name.clone(), line.as_bytes())).collect();
        let proxies = trusting(&["10.0.0.0/8", "2001:db8:10::/48"], ForwardedHeader::Any);
        proxies.client(Some(ip(peer)), &headers(&lines)).unwrap().to_string()
    }

    fn by_list(lines: &[&str]) -> String {
        client(PEER, &lines.iter().map(|line| (X_FORWARDED_FOR, *line)).collect::<Vec<_>>())
    }

    fn by_forwarded(lines: &[&str]) -> String {
        client(PEER, &lines.iter().map(|line| (FORWARDED, *line)).collect::<Vec<_>>())
    }

    #[test]
    fn the_first_address_from_the_right_that_is_no_proxys_is_the_clients() {
        assert_eq!(by_list(&["192.0.2.9, 192.0.2.1"]), "192.0.2.1");
        assert_eq!(by_list(&["192.0.2.9, 192.0.2.1, 10.0.0.2, 10.9.9.9"]), "192.0.2.1");
        assert_eq!(by_list(&["192.0.2.9, 192.0.2.1, 2001:db8:10::5"]), "192.0.2.1");
        assert_eq!(by_list(&["10.0.0.3, 10.0.0.2"]), "10.0.0.3", "who is inside is the leftmost");
        assert_eq!(by_list(&[]), PEER);
        assert_eq!(by_list(&["192.0.2.1,"]), "192.0.2.1");
        assert_eq!(client("192.0.2.5", &[(X_FORWARDED_FOR, "192.0.2.1")]), "192.0.2.5");
    }

    #[test]
    fn all_lines_are_one_list() {
        assert_eq!(by_list(&["192.0.2.9", "192.0.2.1"]), "192.0.2.1");
        assert_eq!(by_list(&["192.0.2.9, 192.0.2.1", "10.0.0.2"]), "192.0.2.1");
        assert_eq!(
            by_forwarded(&["for=192.0.2.9", "for=192.0.2.1;proto=https", "for=10.0.0.2"]),
            "192.0.2.1"
        );
    }

    #[test]
    fn addresses_are_read_in_all_forms_that_proxies_write() {
        for text in ["192.0.2.1", "192.0.2.1:443", "\"192.0.2.1\"", "\"192.0.2.1:443\"", "::ffff:192.0.2.1"] {
            assert_eq!(by_list(&[text]), "192.0.2.1", "{text}");
        }
        let v6 =
            ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443", "\"[2001:db8::1]:443\"", "2001:DB8:0::1"];
        for text in v6 {
            assert_eq!(by_list(&[text]), "2001:db8::1", "{text}");
        }
        let elements = [
            "for=\"[2001:db8::1]:443\"",
            "For=\"[2001:db8::1]\";proto=http;by=203.0.113.43",
            "proto=http; for=\"[2001:db8::1]:_port\"",
            "for=192.0.2.9;host=\"a, for=192.0.2.8\", for=\"[2001:db8::1]\";host=\"b\\\"c;d\"",
        ];
        for element in elements {
            assert_eq!(by_forwarded(&[element]), "2001:db8::1", "{element}");
        }
    }

    #[test]
    fn what_is_no_address_ends_the_way_at_the_last_proxy() {
        for text in [
            "unknown",
            "_hidden",
            "client",
            "192.0.2.256",
            "192.0.2.1:port",
            "[2001:db8::1",
            "1.2.3.4 5",
            "\u{e4}",
        ] {
            assert_eq!(by_list(&[&format!("192.0.2.9, {text}")]), PEER, "{text}");
            assert_eq!(by_list(&[&format!("192.0.2.9, {text}, 10.0.0.2")]), "10.0.0.2", "{text}");
        }
        for element in [
            "for=unknown",
            "for=_hidden",
            "proto=http",
            "for",
            "for=192.0.2.1;for=192.0.2.2",
            "for=\"192.0.2.1",
        ] {
            assert_eq!(by_forwarded(&[&format!("for=192.0.2.9, {element}")]), PEER, "{element}");
            let behind = format!("for=192.0.2.9, {element}, for=10.0.0.2");
            assert_eq!(by_forwarded(&[&behind]), "10.0.0.2", "{element}");
        }
    }

    #[test]
    fn the_header_that_the_proxy_does_not_write_moves_nobody() {
        let both = |x: &str, forwarded: &str| client(PEER, &[(X_FORWARDED_FOR, x), (FORWARDED, forwarded)]);
        assert_eq!(both("192.0.2.1", "for=192.0.2.1"), "192.0.2.1");
        assert_eq!(both("192.0.2.1", "for=192.0.2.9"), PEER);
        let lines = headers(&[(X_FORWARDED_FOR, b"192.0.2.1"), (FORWARDED, b"for=192.0.2.9")]);
        let named = |header| trusting(&["10.0.0.0/8"], header).client(Some(ip(PEER)), &lines);
        assert_eq!(named(ForwardedHeader::XForwardedFor), Some(ip("192.0.2.1")));
        assert_eq!(named(ForwardedHeader::Forwarded), Some(ip("192.0.2.9")));
    }

    #[test]
    fn a_trusted_peer_is_believed_for_one_step_whatever_its_address() {
        let proxies = Proxies::peer(ForwardedHeader::Any);
        let lines = headers(&[(X_FORWARDED_FOR, b"192.0.2.9"), (X_FORWARDED_FOR, b"192.0.2.8, 192.0.2.1")]);
        assert_eq!(proxies.client(Some(ip("203.0.113.7")), &lines), Some(ip("192.0.2.1")));
        assert_eq!(Proxies::default().client(Some(ip("203.0.113.7")), &lines), Some(ip("203.0.113.7")));
        assert_eq!(proxies.client(None, &lines), None);
    }

    #[test]
    fn an_ipv4_proxy_is_known_in_either_notation() {
        let lines = headers(&[(X_FORWARDED_FOR, b"192.0.2.1")]);
        for network in ["10.0.0.0/8", "::ffff:10.0.0.0/104"] {
            for peer in ["10.0.0.1", "::ffff:10.0.0.1"] {
                let proxies = trusting(&[network], ForwardedHeader::Any);
                assert_eq!(proxies.client(Some(ip(peer)), &lines), Some(ip("192.0.2.1")), "{network} {peer}");
            }
        }
        assert_eq!(
            Proxies::default().client(Some(ip("::ffff:192.0.2.7")), &HeaderMap::new()),
            Some(ip("192.0.2.7"))
        );
    }

    /// Lines as a client could make them up.
    fn made_up() -> impl Strategy<Value = Vec<(HeaderName, Vec<u8>)>> {
        let name = prop_oneof![Just(X_FORWARDED_FOR), Just(FORWARDED)];
        let piece = prop_oneof![
            Just("for=".to_owned()),
            Just("10.0.0.2".to_owned()),
            Just("192.0.2.66".to_owned()),
            Just("\"".to_owned()),
            Just("\\".to_owned()),
            Just(",".to_owned()),
            Just(";".to_owned()),
            Just("[2001:db8::66]".to_owned()),
            "[ -~]{0,4}",
        ];
        let line = prop_oneof![
            vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes()),
            vec(prop_oneof![Just(9_u8), 32_u8..=126, 128_u8..=255], 0..40),
        ];
        vec((name, line), 0..5)
    }

    fn sent(lines: &[(HeaderName, Vec<u8>)]) -> HeaderMap {
        headers(&lines.iter().map(|(name, line)| (name.clone(), line.as_slice())).collect::<Vec<_>>())
    }

    /// What a proxy passes on: it adds to the last line of its header, or a line of its own.
    fn through(
        lines: &[(HeaderName, Vec<u8>)],
        header: &HeaderName,
        element: &str,
        own_line: bool,
    ) -> HeaderMap {
        let mut lines = lines.to_vec();
        match lines.iter_mut().rev().find(|(name, _)| name == header) {
            Some((_, line)) if !own_line => line.extend_from_slice(format!(", {element}").as_bytes()),
            _ => lines.push((header.clone(), element.as_bytes().to_vec())),
        }
        sent(&lines)
    }

    proptest! {
        #[test]
        fn who_is_no_proxy_is_at_the_address_of_the_connection(
            lines in made_up(),
            peer in any::<[u8; 16]>().prop_map(|bytes| IpAddr::from(Ipv6Addr::from(bytes))),
        ) {
            prop_assume!(!matches!(peer.to_canonical(), IpAddr::V4(address) if address.octets()[0] == 10));
            for header in [ForwardedHeader::Any, ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
                let proxies = trusting(&["10.0.0.0/8"], header);
                prop_assert_eq!(proxies.client(Some(peer), &sent(&lines)), Some(peer.to_canonical()));
            }
        }

        #[test]
        fn nothing_that_a_client_sends_moves_it_behind_a_proxy(lines in made_up(), own_line: bool) {
            let real = ip("2001:db8:99::1");
            let proxies = |header| trusting(&["10.0.0.0/8"], header);
            let list = through(&lines, &X_FORWARDED_FOR, "2001:db8:99::1", own_line);
            let element = "for=\"[2001:db8:99::1]:4711\";host=\"a\\\"b\";proto=https";
            let elements = through(&lines, &FORWARDED, element, own_line);
            for (header, lines) in [(ForwardedHeader::XForwardedFor, &list), (ForwardedHeader::Forwarded, &elements)] {
                prop_assert_eq!(proxies(header).client(Some(ip(PEER)), lines), Some(real));
                let either = proxies(ForwardedHeader::Any).client(Some(ip(PEER)), lines);
                prop_assert!(either == Some(real) || either == Some(ip(PEER)));
            }
        }
    }
}
