//! The documents: links resolve, paths, subcommands and tests that they name exist, and they stay short.

use std::collections::{BTreeMap, BTreeSet};
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

/// The tests of a folder by the path of their module, such as `ingest::feeds`.
fn tests_in(folder: &Path, module: &str, tests: &mut BTreeMap<String, BTreeSet<String>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let path = if module.is_empty() { name } else { format!("{module}::{name}") };
        if file.is_dir() {
            tests_in(&file, &path, tests);
        } else if file.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(file).unwrap();
            let after = text.split("#[test]\n").skip(1);
            let name = |item: &str| Some(item.split_once("fn ")?.1.split_once('(')?.0.to_owned());
            let tests = tests.entry(path).or_default();
            tests.extend(after.filter_map(name));
            // Attacks are tests by a macro, which lists them.
            let list = text.split_once("attacks! {").and_then(|(_, list)| list.split_once('}'));
            let listed = list.iter().flat_map(|(list, _)| list.split(','));
            tests.extend(listed.map(|name| name.trim().to_owned()));
        }
    }
}

/// What is wrong with the names of tests in these code spans of one line; `modules` are those whose tests may be named.
/// `a::b` is the test `b` of the module `a`, `a::` all of it, and `…c` one of the module before whose name ends so.
fn unknown_tests(spans: &[&str], modules: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut last = None;
    for span in spans {
        let is_name = |text: &str| {
            text.chars().all(|c| c.is_ascii_lowercase() || "_:".contains(c) || c.is_ascii_digit())
        };
        if let Some(rest) = span.strip_prefix('…') {
            let parts: Vec<&str> = rest.split('…').collect();
            let has = |name: &String| {
                parts.iter().all(|part| name.contains(part))
                    && name.ends_with(parts[parts.len() - 1])
            };
            let found = last.is_some_and(|tests: &BTreeSet<String>| tests.iter().any(has));
            if is_name(&parts.concat()) && !found {
                unknown.push((*span).to_owned());
            }
        } else if let Some((module, test)) =
            span.rsplit_once("::").filter(|(module, _)| is_name(span) && !module.is_empty())
        {
            last = modules.get(module);
            let is_there = last.is_some_and(|tests| test.is_empty() || tests.contains(test));
            // Names of the code have few words.
            let is_test = test.is_empty() || test.matches('_').count() > 2;
            if is_test && !is_there {
                unknown.push((*span).to_owned());
            }
        }
    }
    unknown
}

#[test]
fn every_test_that_holds_a_promise_exists() {
    let [mut attacks, mut others] = [BTreeMap::new(), BTreeMap::new()];
    tests_in(&root().join("tests/attacks"), "", &mut attacks);
    for folder in ["tests/store", "cli/tests/blotter"] {
        tests_in(&root().join(folder), "", &mut others);
    }
    let mut missing = Vec::new();
    let mut named = 0;
    for document in documents() {
        // Both have a file of the same name; each line of security.md names attacks.
        let is_security = document.path.ends_with("security.md");
        let modules = if is_security { &attacks } else { &others };
        for (_, line) in document.lines().filter(|(is_code, line)| !is_code && line.contains("::"))
        {
            let spans: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
            let is_named = |span: &&&str| span.matches('_').count() > 3 && span.contains("::");
            named += spans.iter().filter(is_named).count();
            let unknown = unknown_tests(&spans, modules).into_iter();
            missing.extend(unknown.map(|name| format!("{}: {name}", document.path.display())));
        }
    }
    assert!(named > 40, "only {named} tests are named");
    assert_none("tests that do not exist", &missing);
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
