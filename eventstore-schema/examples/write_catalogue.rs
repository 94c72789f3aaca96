//! Writes the JSON Schemas of all events, and the golden samples that are missing, into the source tree:
//! `cargo run -p eventstore-schema --example write_catalogue`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    eventstore_schema::schema::export(eventstore_schema::schema::DIRECTORY.as_ref())?;
    for path in eventstore_schema::golden::write_missing(eventstore_schema::golden::DIRECTORY.as_ref())? {
        println!("{}", path.display());
    }
    Ok(())
}
