//! The registry of routes: one line each. Router, documentation, batches, live socket and authorisation matrix derive
//! from it.

mod system;

use crate::endpoint::Route;

/// Every route.
pub static ROUTES: &[Route] =
    &[Route::of::<system::get_keys::GetKeys>(), Route::of::<system::get_openapi::GetOpenapi>()];

/// The route with this name.
pub fn find(name: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.about.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::problem::is_known;

    #[test]
    fn every_route_has_a_name_and_a_place_of_its_own() {
        let names: BTreeSet<_> = ROUTES.iter().map(|route| route.about.name).collect();
        let places: BTreeSet<_> = ROUTES.iter().map(|route| (route.about.path, route.about.verb)).collect();
        assert_eq!((names.len(), places.len()), (ROUTES.len(), ROUTES.len()));
    }

    #[test]
    fn every_code_that_a_route_names_exists() {
        for route in ROUTES {
            for code in route.about.errors {
                assert!(is_known(code), "{}: {code}", route.about.name);
            }
        }
    }

    #[test]
    fn every_route_says_what_it_does_and_who_gets_through() {
        for route in ROUTES {
            let about = route.about;
            assert!(
                about.text.split("\n\n").next().is_some_and(|line| line.ends_with('.')),
                "{}",
                about.name
            );
            assert!(!about.who.is_empty(), "{}", about.name);
            assert!(about.name.split_once('.').is_some(), "{}", about.name);
        }
    }
}
