//! JSON Schema of every event, for people and programs that read the log elsewhere. Committed under `catalogue/`.

use std::path::{Path, PathBuf};
use std::{fs, io};

use domain::{Event, EventType};
use serde_json::{Value, json};

/// Where the exported files lie in the source tree.
pub const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue");

/// A file of the catalogue could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct WriteError {
    /// The file or directory.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

/// Writes one file an event, `<type>.v<version>.json`, and gives their paths. The same catalogue gives the same bytes.
///
/// # Errors
/// When a file cannot be written; those before it are.
pub fn export(directory: &Path) -> Result<Vec<PathBuf>, WriteError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| WriteError { path, source }
    };
    fs::create_dir_all(directory).map_err(failed(directory))?;
    let mut paths = Vec::new();
    for one in Event::types() {
        let path = directory.join(file_name(&one));
        fs::write(&path, document(&one)).map_err(failed(&path))?;
        paths.push(path);
    }
    Ok(paths)
}

fn file_name(one: &EventType) -> String {
    format!("{}.v{}.json", one.name, one.version)
}

/// The file of one event: what it is called, where it stands, its open part, its sealed part.
fn document(one: &EventType) -> String {
    let sealed = one.sealed.map(|sealed| {
        json!({ "record": sealed.name, "version": sealed.version, "schema": (sealed.schema)().to_value() })
    });
    let mut document = json!({
        "event": one.name,
        "version": one.version,
        "stream": format!("{}-<uuid>", one.category),
        "open": (one.schema)().to_value(),
        "sealed": sealed.unwrap_or(Value::Null),
    });
    document.sort_all_objects();
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(directory: &Path) -> BTreeMap<String, String> {
        let entries = fs::read_dir(directory).expect("the directory").map(|entry| entry.unwrap());
        entries
            .map(|entry| {
                (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
            })
            .collect()
    }

    #[test]
    fn the_committed_files_are_those_of_this_catalogue() {
        let fresh = tempfile::tempdir().unwrap();
        export(fresh.path()).unwrap();
        let fresh = read(fresh.path());
        let committed = read(Path::new(DIRECTORY));
        for (name, text) in &fresh {
            assert_eq!(committed.get(name), Some(text), "{name} differs: run the example `write_catalogue`");
        }
        // Files of older versions stay; anything else does not belong.
        for name in committed.keys().filter(|name| !fresh.contains_key(*name)) {
            let older = Event::types()
                .into_iter()
                .any(|one| (1..one.version).any(|version| *name == format!("{}.v{version}.json", one.name)));
            assert!(older, "{name} is of no event");
        }
    }
}
