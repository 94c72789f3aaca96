//! Renews what is held and sees what is led, over one connection.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, Error};

use super::{Held, RENEW_EVERY, Shared};
use crate::database::{self, Role};

/// Longest that one round may take, connecting included.
const ROUND_WAIT_MAX: Duration = Duration::from_secs(2);
/// Pause after a round that failed.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// A renewal never waits long for a lock: the next one is due. It may be lost in a crash, which ends its holder's connection
/// anyway.
const OPTIONS: &str = "-c statement_timeout=1500ms -c lock_timeout=1s -c synchronous_commit=off \
    -c default_transaction_read_only=off";

pub(super) async fn run(shared: Arc<Shared>) {
    let mut session = None;
    let mut fails = false;
    loop {
        let held = shared.living();
        if held.is_empty() && shared.table().watched.is_empty() {
            session = None;
            shared.used.notified().await;
            continue;
        }
        let reason = match timeout(ROUND_WAIT_MAX, round(&shared, session.take(), &held)).await {
            Ok(Ok(client)) => {
                (session, fails) = (Some(client), false);
                drop(held);
                sleep(RENEW_EVERY).await;
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        drop(held);
        // Told once, so that an outage of hours leaves one line.
        if !fails {
            tracing::warn!(reason, "leases cannot be renewed");
        }
        fails = true;
        sleep(RETRY_PAUSE).await;
    }
}

async fn round(shared: &Shared, session: Option<Client>, held: &[Arc<Held>]) -> Result<Client, Error> {
    let client = match session.filter(|client| !client.is_closed()) {
        Some(client) => client,
        None => connect(shared).await?,
    };
    let asked_at = shared.clock.millis();
    if !held.is_empty() {
        let names: Vec<_> = held.iter().map(|one| one.name.as_str()).collect();
        let epochs: Vec<_> = held.iter().map(|one| one.epoch).collect();
        let sql = "SELECT o_name, o_epoch FROM lease.renew($1, $2)";
        let rows = client.query(sql, &[&names, &epochs]).await?;
        let renewed: HashSet<(String, i64)> =
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, Error>>()?;
        for one in held {
            if renewed.contains(&(one.name.clone(), one.epoch)) {
                one.confirmed_at.store(asked_at, Ordering::SeqCst);
            } else {
                one.lose();
            }
        }
    }
    let holders = super::holders(&client).await?;
    let mut table = shared.table();
    for (name, seen) in &mut table.watched {
        if holders.contains_key(name) {
            *seen = asked_at;
        }
    }
    drop(table);
    Ok(client)
}

async fn connect(shared: &Shared) -> Result<Client, Error> {
    let mut config = database::with_options(&database::in_role(&shared.config, Role::App), OPTIONS);
    config.application_name("envoi leases");
    database::connect(&config).await
}

impl Shared {
    /// The leases that somebody in this process still has. Those that were not renewed in time are lost here, before
    /// anything else is done with them: the process may have been asleep.
    fn living(&self) -> Vec<Arc<Held>> {
        let mut living: Vec<_> = self.table().held.iter().filter_map(Weak::upgrade).collect();
        living.iter().filter(|one| !one.is_trusted() && !*one.lost.borrow()).for_each(|one| one.lose());
        living.retain(|one| !*one.lost.borrow());
        self.table().held.retain(|one| one.upgrade().is_some_and(|one| !*one.lost.borrow()));
        living
    }
}
