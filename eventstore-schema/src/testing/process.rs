//! Processes, told apart even when the system gives a number out again.

use std::fs;

/// Names this process for as long as the machine is up: its number and when it started.
pub(super) fn own_name() -> String {
    let pid = std::process::id();
    format!("{pid}_{}", started(pid).expect("this process has a start time"))
}

/// Whether the process of that name still runs.
pub(super) fn is_alive(name: &str) -> bool {
    let Some((pid, start)) = name.split_once('_') else { return true };
    let Ok(pid) = pid.parse() else { return true };
    started(pid).is_some_and(|now| now.to_string() == start)
}

/// Start time in clock ticks since boot: field 22 of `/proc/<pid>/stat` (proc(5)), counted behind the program's name.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_one_with_another_start_is_not() {
        assert!(is_alive(&own_name()));
        assert!(!is_alive(&format!("{}_1", std::process::id())));
    }
}
