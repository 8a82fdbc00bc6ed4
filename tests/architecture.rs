//! Holds the shape of the source tree: import direction, file headers, file sizes and which module
//! may name which crate.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "a test helper fails by panicking"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The modules of `src/`, in the order of the line: each may import only what stands before it (or
/// in its own group).
const ORDER: &[&[&str]] = &[
    &[
        "backoff",
        "chain",
        "clock",
        "descriptors",
        "digest",
        "median",
        "priority",
        "redact",
        "snapshot",
        "shutdown",
        "small_file",
        "ready",
        "version",
    ],
    &["request"],
    &["identity"],
    &["input"],
    &["policy"],
    &["decision"],
    &["outcome"],
    &["response"],
    &["telemetry"],
    &["http_send"],
    &["services"],
    &["check"],
    &["sources"],
    &["status"],
    &["traces"],
    &["decision_log"],
    &["observe"],
    &["config"],
    &["app", "admin"],
    &["cli"],
    &["main", "lib"],
];

/// Crates that only these modules may name.
const RESERVED: &[(&str, &[&str])] = &[
    ("envoy_types", &["request", "response"]),
    ("regorus", &["policy", "input"]),
    ("jsonwebtoken", &["identity"]),
    // `app` names the module of rustls that is called so, for TLS.
    ("aws_lc_rs", &["identity", "app"]),
    // The errors of regorus are anyhow's; `policy` takes them apart.
    ("anyhow", &["cli", "main", "policy"]),
];

const MAX_LINES: usize = 500;

struct Source {
    path: PathBuf,
    module: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 20, "the source tree was not found");
    files
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap();
            let first = relative.components().next().unwrap();
            let module = Path::new(&first).file_stem().unwrap().to_str().unwrap();
            Source {
                module: module.to_owned(),
                text: fs::read_to_string(&path).unwrap(),
                path,
            }
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// Code lines: neither comments nor docs, where any module may be mentioned.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line))
}

fn rank(module: &str) -> usize {
    ORDER
        .iter()
        .position(|group| group.contains(&module))
        .unwrap_or_else(|| panic!("`{module}` has no place in the order of modules"))
}

fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_group = false;
    for (at, line) in code(text) {
        let mut rest = line;
        while let Some(start) = rest.find("crate::") {
            rest = &rest[start + "crate::".len()..];
            if rest.starts_with('{') {
                in_group = true;
                rest = &rest[1..];
                found.extend(group_names(rest).map(|name| (at, name)));
            } else {
                found.extend(first_name(rest).map(|name| (at, name)));
            }
        }
        if in_group {
            // rustfmt puts each member of a top-level group on a line indented by four spaces.
            if line.starts_with("    ") && !line.starts_with("     ") {
                found.extend(first_name(line.trim_start()).map(|name| (at, name)));
            }
            in_group = !line.contains("};");
        }
    }
    found
}

fn first_name(text: &str) -> Option<String> {
    let name: String = text
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}

fn group_names(text: &str) -> impl Iterator<Item = String> {
    text.split(',').filter_map(|part| first_name(part.trim()))
}

#[test]
fn modules_import_only_what_stands_before_them() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (line, import) in imports(&source.text) {
            let known = ORDER.iter().any(|group| group.contains(&import.as_str()));
            if known && import != source.module && rank(&import) > rank(&source.module) {
                wrong.push(format!(
                    "{}:{line}: `{}` may not import `{import}`",
                    source.path.display(),
                    source.module
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_import_reader_sees_a_planted_violation() {
    let planted = "use crate::{\n    clock::Now,\n    cli::Args,\n};\nuse crate::app::x;\n";
    let names: Vec<_> = imports(planted).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["clock", "cli", "app"]);
}

#[test]
fn crates_of_one_stage_are_named_only_there() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (line, text) in code(&source.text) {
            for (name, modules) in RESERVED {
                let named = text.contains(&format!("{name}::"));
                if named && !modules.contains(&source.module.as_str()) {
                    wrong.push(format!(
                        "{}:{line}: `{name}` is named only in {modules:?}",
                        source.path.display()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_has_a_header_and_a_bounded_size() {
    let mut wrong = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//! ") {
            wrong.push(format!("{}: no `//!` header", source.path.display()));
        }
        let lines = source.text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{}: {lines} lines", source.path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_named_for_what_does_not_fit_elsewhere() {
    for source in sources() {
        let stem = source.path.file_stem().unwrap().to_str().unwrap();
        for vague in [
            "mod", "utils", "util", "common", "helpers", "manager", "types",
        ] {
            assert_ne!(stem, vague, "{}", source.path.display());
        }
    }
}
