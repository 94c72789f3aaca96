//! The codes that a route can answer: its own, and those of every route of its kind. Documentation and tests read them here.

use std::collections::BTreeMap;

use domain::Rejection;

use crate::endpoint::{About, Access, IntentKind};
use crate::problem::{Code, status_of};

/// What any request may meet: limits of rate, size and time, what is malformed, what cannot be reached.
const ANY: &[Code] = &[
    Code::MalformedJson,
    Code::InvalidHeader,
    Code::InvalidQuery,
    Code::BodyTimeout,
    Code::BodyTooLarge,
    Code::QueryTooLong,
    Code::InvalidBody,
    Code::RateLimited,
    Code::Internal,
    Code::Overloaded,
    Code::Unavailable,
];

/// Why the live socket is not opened.
const LIVE: &[Code] = &[
    Code::InvalidHeader,
    Code::Unauthenticated,
    Code::RateLimited,
    Code::Internal,
    Code::Overloaded,
    Code::Unavailable,
];

/// What a route is as far as its codes go.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What callers have to prove.
    pub access: Access,
    /// What it does with the state of things.
    pub intent: IntentKind,
    /// Whether it takes a body.
    pub takes_body: bool,
}

/// The codes that a route can answer, by HTTP status.
pub fn codes(about: &About, kind: Kind) -> BTreeMap<u16, Vec<&'static str>> {
    let mut codes: Vec<&'static str> = ANY.iter().map(|code| code.as_str()).collect();
    let mut also = |more: &[&'static str]| codes.extend_from_slice(more);
    also(about.errors);
    if about.path.contains('{') {
        also(&[Code::NotFound.as_str()]);
    }
    if kind.takes_body {
        also(&[Code::UnsupportedMediaType.as_str()]);
    }
    if kind.access != Access::Anonymous {
        also(&[Code::Unauthenticated.as_str()]);
    }
    if kind.access == Access::Device {
        also(&[Rejection::DeviceRequired.code()]);
    }
    match kind.intent {
        IntentKind::Command => also(&[
            Code::IdempotencyKeyReused.as_str(),
            Code::InProgress.as_str(),
            Code::RevisionMismatch.as_str(),
            Rejection::InvalidField { field: "", reason: "" }.code(),
        ]),
        IntentKind::AnonymousCommand => also(&[Rejection::InvalidField { field: "", reason: "" }.code()]),
        IntentKind::Query => also(&[Code::InvalidCursor.as_str(), Code::Behind.as_str()]),
        IntentKind::Exchange => {}
    }
    by_status(codes)
}

/// The codes with which the live socket is refused, by HTTP status.
pub fn live_codes() -> BTreeMap<u16, Vec<&'static str>> {
    by_status(LIVE.iter().map(|code| code.as_str()).collect())
}

fn by_status(codes: Vec<&'static str>) -> BTreeMap<u16, Vec<&'static str>> {
    let mut by_status = BTreeMap::<u16, Vec<&'static str>>::new();
    for code in codes {
        by_status.entry(status_of(code).unwrap_or(500)).or_default().push(code);
    }
    for codes in by_status.values_mut() {
        codes.sort_unstable();
        codes.dedup();
    }
    by_status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::ROUTES;

    #[test]
    fn every_route_s_own_codes_are_known() {
        for route in ROUTES {
            for code in route.about.errors {
                assert!(status_of(code).is_some(), "{}: {code}", route.about.name);
            }
        }
    }

    #[test]
    fn no_route_lists_as_its_own_what_all_of_its_kind_answer() {
        for route in ROUTES {
            let kind = Kind { access: route.access, intent: route.intent, takes_body: (route.takes_body)() };
            let common = codes(&About { errors: &[], ..route.about }, kind);
            for code in route.about.errors {
                assert!(!common.values().flatten().any(|one| one == code), "{}: {code}", route.about.name);
            }
        }
    }
}
