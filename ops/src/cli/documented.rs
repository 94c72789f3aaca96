//! Whatever a document or a hint tells people to type exists.

use std::path::{Path, PathBuf};

use clap::{Arg, Command, CommandFactory};

use super::Cli;

/// Files with one of these endings below `directory`.
fn files(directory: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files(&path, endings, found);
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
}

/// Code in a text: spans that begin with the program's name, and the lines of shell blocks.
fn code(text: &str) -> Vec<String> {
    let (mut prose, mut found, mut is_shell, mut is_block) = (String::new(), Vec::new(), false, false);
    let text = text.replace("\\\n", " ");
    for line in text.lines() {
        let line = line.trim_start().trim_start_matches("///").trim_start_matches("//!");
        match line.trim().strip_prefix("```") {
            Some(language) => {
                is_shell = !is_block && language == "sh";
                is_block = !is_block;
            }
            None if is_shell => found.push(line.to_owned()),
            None => prose.extend([line.trim(), " "]),
        }
    }
    let spans = prose.split("`envoi ").skip(1).filter_map(|rest| rest.split_once('`'));
    // Keys are derived and signatures made under names that begin alike and end in a version.
    found.extend(spans.filter(|(verb, _)| !verb.ends_with(" v1")).map(|(verb, _)| format!("envoi {verb}")));
    found
}

/// The words of a line; what is quoted is one, or a part of one.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for letter in line.chars().chain([' ']) {
        match quote {
            Some(end) if letter == end => quote = None,
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            None if letter.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            None | Some(_) => word.push(letter),
        }
    }
    words
}

/// What a line of a shell gives the program to do, each time that it runs it.
fn calls(line: &str) -> Vec<Vec<String>> {
    let line = line.split(" #").next().unwrap_or_default().replace("&&", ";").replace(['|', '(', ')'], ";");
    let calls = line.split(';').map(|piece| {
        let mut words = words(piece);
        if words.first().is_some_and(|word| word == "runuser") {
            words = words.into_iter().skip_while(|word| word != "--").skip(1).collect();
        }
        let is_before =
            |word: &String| word.contains('=') || ["env", "exec", "do", "sudo"].contains(&&**word);
        words.into_iter().skip_while(is_before).collect::<Vec<_>>()
    });
    let is_ours = |program: &str| {
        program == "envoi" || program.ends_with("release/envoi") || program.ends_with("debug/envoi")
    };
    calls.filter(|call| call.first().is_some_and(|program| is_ours(program))).collect()
}

fn takes_value(argument: &Arg) -> bool {
    argument.get_action().takes_values()
}

/// Why there is no such call, if there is none.
fn refusal(root: &Command, call: &[String]) -> Option<String> {
    let (mut command, mut positionals, mut is_value) = (root, 0, false);
    for token in call.iter().skip(1) {
        if std::mem::take(&mut is_value) || token.contains("...") || token.contains('…') {
            continue;
        }
        if token.starts_with("--") {
            let (name, value) =
                token.split_once('=').map_or((&**token, None), |(name, value)| (name, Some(value)));
            let known = command.get_arguments().find(|argument| {
                argument.get_long().is_some_and(|long| name.strip_prefix("--") == Some(long))
            });
            match known {
                Some(argument) => is_value = takes_value(argument) && value.is_none(),
                None => return Some(format!("`{}` has no {name}", command.get_name())),
            }
        } else if let Some(verb) = command.find_subcommand(token) {
            command = verb;
        } else {
            positionals += 1;
            let all: Vec<&Arg> = command.get_positionals().collect();
            let many =
                all.last().and_then(|last| last.get_num_args()).is_some_and(|count| count.max_values() > 1);
            if command.has_subcommands() || (positionals > all.len() && !many) {
                return Some(format!("`{}` takes no {token}", command.get_name()));
            }
        }
    }
    None
}

fn root() -> Command {
    let mut root = Cli::command();
    root.build();
    root
}

#[test]
fn what_documents_and_hints_tell_people_to_type_exists() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut all = Vec::new();
    files(place, &[".md", ".rs", ".service"], &mut all);
    let (root, mut wrong, mut count) = (root(), Vec::new(), 0);
    for file in all.iter().filter(|file| !file.ends_with("documented.rs")) {
        let text = std::fs::read_to_string(file).unwrap();
        for call in code(&text).iter().flat_map(|line| calls(line)) {
            count += 1;
            if let Some(refusal) = refusal(&root, &call) {
                wrong.push(format!("{}: {}: {refusal}", file.display(), call.join(" ")));
            }
        }
    }
    assert!(count > 150, "only {count} calls were found");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Names of metrics, and of roles and logins: both have a part after the first.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    text.split(move |letter| !is_name(letter))
        .filter(|word| word.starts_with("envoi_") && word.len() > "envoi_".len())
}

#[test]
fn metrics_and_roles_that_documents_name_exist() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (mut documents, mut sources) = (Vec::new(), Vec::new());
    files(&place.join("ops"), &[".md"], &mut documents);
    files(place, &[".rs", ".sql"], &mut sources);
    let sources: String = sources
        .iter()
        .filter(|file| !file.ends_with("documented.rs"))
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let (mut missing, mut count) = (Vec::new(), 0);
    for document in &documents {
        let text = std::fs::read_to_string(document).unwrap();
        let here: Vec<&str> = names(&text).collect();
        count += here.len();
        let unknown = here.into_iter().filter(|name| !sources.contains(name));
        missing.extend(unknown.map(|name| format!("{}: {name}", document.display())));
    }
    assert!(count > 30, "only {count} names were found");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn a_verb_or_flag_that_is_not_there_is_found() {
    let root = root();
    let refused = |text: &str| -> Vec<_> {
        let lines = code(text);
        lines.iter().flat_map(|line| calls(line)).filter_map(|call| refusal(&root, &call)).collect()
    };
    assert_eq!(refused("Run `envoi projection rebuild`."), ["`envoi` takes no projection"]);
    assert_eq!(refused("```sh\nA=b envoi migrate --url x && envoi doctor now\n```").len(), 2);
    assert_eq!(refused("```sh\nrunuser -u envoi -- envoi --config x docter\n```").len(), 1);
    let fine = "`envoi log verify --since 1 --hash x`\n```sh\nenvoi client --server=x send GROUP \"a b\" | cat # envoi nonsense\n```";
    assert_eq!(refused(fine), Vec::<String>::new());
}
