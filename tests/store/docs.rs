//! The documents: links resolve, paths and subcommands that they name exist, and they stay short.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of the README, at most.
const README: usize = 150;

/// Lines of a transcript, at most.
const TRANSCRIPT: usize = 20;

/// Folders whose files documents name in code spans.
const FOLDERS: [&str; 9] = [
    "benches/",
    "cli/",
    "docs/",
    "examples/",
    "fuzz/",
    "migrations/",
    "scripts/",
    "src/",
    "tests/",
];

/// A document, by its path from the root.
struct Document {
    path: PathBuf,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<Document> {
    let mut documents = Vec::new();
    for folder in ["", "docs", "migrations", "cli/data"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let file = entry.unwrap().path();
            if file.extension().is_some_and(|extension| extension == "md") {
                let path = file.strip_prefix(root()).unwrap().to_owned();
                documents.push(Document { path, text: fs::read_to_string(file).unwrap() });
            }
        }
    }
    assert!(documents.len() > 10, "only {} documents were found", documents.len());
    documents
}

impl Document {
    /// The lines of the document, each with whether it is inside a fenced block.
    fn lines(&self) -> impl Iterator<Item = (bool, &str)> {
        let mut is_code = false;
        self.text.lines().map(move |line| {
            let is_fence = line.trim_start().starts_with("```");
            is_code ^= is_fence;
            (is_code || is_fence, line)
        })
    }

    /// The targets of the document's links.
    fn links(&self) -> Vec<&str> {
        let prose = self.lines().filter(|(is_code, _)| !is_code);
        let after = prose.flat_map(|(_, line)| line.split("](").skip(1));
        after.filter_map(|rest| rest.split(')').next()).collect()
    }

    /// The anchors of the document's headings, as GitHub makes them.
    fn anchors(&self) -> BTreeSet<String> {
        let prose = self.lines().filter(|(is_code, _)| !is_code);
        let headings =
            prose.filter_map(|(_, line)| Some(line.strip_prefix('#')?.trim_matches('#')));
        headings
            .map(|heading| {
                let kept = |char: &char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_');
                let anchor = heading.trim().chars().filter(kept).collect::<String>();
                anchor.to_lowercase().replace(' ', "-")
            })
            .collect()
    }

    /// The code spans of the document's prose.
    fn code_spans(&self) -> Vec<&str> {
        let prose = self.lines().filter(|(is_code, _)| !is_code);
        prose.flat_map(|(_, line)| line.split('`').skip(1).step_by(2)).collect()
    }
}

fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let documents = documents();
    let mut broken = Vec::new();
    for document in &documents {
        for link in document.links().into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = document.path.parent().unwrap();
            let target = match file {
                "" => root().join(&document.path),
                file => root().join(folder).join(file),
            };
            let Ok(target) = target.canonicalize() else {
                broken.push(format!("{}: {link}", document.path.display()));
                continue;
            };
            let linked = documents
                .iter()
                .find(|other| root().join(&other.path).canonicalize().unwrap() == target);
            let has_anchor = |linked: &Document| linked.anchors().contains(anchor);
            if !anchor.is_empty() && !linked.is_some_and(has_anchor) {
                broken.push(format!("{}: {link}, no such heading", document.path.display()));
            }
        }
    }
    assert_none("links that lead nowhere", &broken);
}

#[test]
fn every_path_in_a_code_span_exists() {
    let is_path = |span: &&str| {
        FOLDERS.iter().any(|folder| span.starts_with(folder))
            && span.chars().all(|char| char.is_ascii_alphanumeric() || "/._-".contains(char))
            // Placeholders for a file that the reader creates.
            && !span.contains("NAME")
    };
    let mut missing = Vec::new();
    for document in documents() {
        for span in document.code_spans().into_iter().filter(is_path) {
            if !root().join(span).exists() {
                missing.push(format!("{}: {span}", document.path.display()));
            }
        }
    }
    assert_none("paths that do not exist", &missing);
}

#[test]
fn every_subcommand_is_one_of_the_command() {
    let reference = fs::read_to_string(root().join("docs/cli.md")).unwrap();
    let headings = reference.lines().filter_map(|line| line.strip_prefix("## `blotter "));
    let subcommands: BTreeSet<&str> =
        headings.filter_map(|heading| heading.split([' ', '`']).next()).collect();
    let mut unknown = BTreeSet::new();
    for document in documents() {
        let code = document.lines().filter(|(is_code, _)| *is_code).map(|(_, line)| line);
        for text in code.chain(document.code_spans()) {
            for (at, name) in text.match_indices("blotter ") {
                // As a word of its own, unlike in "a tradeblotter database".
                if text[..at].ends_with(|char: char| char.is_alphanumeric()) {
                    continue;
                }
                let rest = &text[at + name.len()..];
                let is_in_word = |char: char| char.is_ascii_lowercase() || char == '-';
                let word = &rest[..rest.find(|char| !is_in_word(char)).unwrap_or(rest.len())];
                let is_known =
                    word.is_empty() || word.starts_with('-') || subcommands.contains(word);
                if !is_known {
                    unknown.insert(format!("{}: blotter {word}", document.path.display()));
                }
            }
        }
    }
    assert_none("subcommands that do not exist", &unknown.into_iter().collect::<Vec<_>>());
}

#[test]
fn documents_are_short() {
    let mut long = Vec::new();
    for document in documents() {
        let path = document.path.display();
        let lines = document.text.lines().count();
        if document.path == Path::new("README.md") && lines > README {
            long.push(format!("{path}: {lines} lines, at most {README}"));
        }
        let blocks = document.text.split("```console\n").skip(1);
        for block in blocks.filter_map(|block| block.split("```").next()) {
            if block.lines().count() > TRANSCRIPT {
                let first = block.lines().next().unwrap_or_default();
                long.push(format!("{path}: the transcript that begins with {first:?}"));
            }
        }
    }
    assert_none("what is too long", &long);
}
