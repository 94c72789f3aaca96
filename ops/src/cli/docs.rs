//! `envoi docs`: pages of the documentation that derive from the code.

use api::endpoint::Role;
use api::routes::ROUTES;
use clap::Subcommand;
use serde_json::json;

use super::{CliError, Global};

/// Arguments of `envoi docs`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Print who may use which route, as Markdown.
    Authorization,
}

/// Runs `envoi docs`.
pub fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let text = match args.verb {
        Verb::Authorization => authorization(),
    };
    global.output.result(&json!({ "markdown": text }), || text.clone());
    Ok(())
}

fn authorization() -> String {
    let mut text = String::from(
        "# Authorization\n\nWho gets through to which route. Finer rules (an admin does not remove an owner) are the domain's. \
         A route that is closed to somebody\nwho may not know of the thing answers as if it did not exist. This page is \
         printed by `envoi docs authorization`.\n\n| route |",
    );
    for role in Role::ALL {
        text.push_str(&format!(" {} |", role.as_str().replace('_', " ")));
    }
    text.push_str("\n| --- |");
    text.push_str(&" :-: |".repeat(Role::ALL.len()));
    text.push('\n');
    for route in ROUTES {
        text.push_str(&format!("| `{} {}` |", route.about.verb.as_str(), route.about.path));
        for role in Role::ALL {
            text.push_str(if route.about.who.contains(role) { " yes |" } else { " |" });
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_the_printed_one() {
        assert_eq!(include_str!("../../docs/authorization.md").trim_end(), authorization().trim_end());
    }
}
