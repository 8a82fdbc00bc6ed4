//! Caps on regular expressions and globs.
//!
//! A search takes time in proportion to the text, unless the pattern has many places where more than
//! one character fits: then in proportion to both. And a function that finds all matches may search
//! the text anew from each of them. The first is computed; the second depends on the pattern in ways
//! that nobody can tell from outside, so that such a search is made once to see how long it takes.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use moka::sync::Cache;
use regex::{Regex, RegexBuilder};
use regorus::Value;

use super::{Instead, MAX_ELEMENTS, elements, excess, pairs, plain, text, text_within};

/// Bytes of a pattern.
const MAX_PATTERN: usize = 2_048;
const MAX_GLOB: usize = 1_024;
/// What the classes of a pattern take to compile: each is one, sixteen where case is ignored, and an
/// operation as in `[\w&&\pL]` thirty-two.
const MAX_CLASSES: usize = 256;
/// With so many open places a pattern has no more states than are kept while searching.
const FEW_OPEN: usize = 12;
/// Open places times bytes of text.
const MAX_SEARCHED: usize = 250_000;
/// Alternatives that a glob may nest, and characters that may delimit its parts.
const MAX_GLOB_BRACES: usize = 64;
const MAX_DELIMITERS: usize = 16;
/// How long the search for all matches may take.
const MAX_SEARCH: Duration = Duration::from_millis(2);
/// What regorus allows a compiled pattern.
const MAX_COMPILED: usize = 100 * 1024;
/// How many patterns are kept compiled for the searches that are made here.
const MAX_KEPT: u64 = 64;

/// `regex.is_valid(pattern)`.
pub(in crate::policy::builtins) fn pattern(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    match arguments {
        [Value::String(pattern)] => compiles(pattern),
        _ => Ok(()),
    }
}

/// `regex.match(pattern, text)`.
pub(in crate::policy::builtins) fn once(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    match arguments {
        [Value::String(pattern), Value::String(text)] => searches(pattern, text),
        _ => Ok(()),
    }
}

/// `regex.find_n(pattern, text, n)`, `regex.split(pattern, text)`.
pub(in crate::policy::builtins) fn all(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    match arguments {
        [Value::String(pattern), Value::String(text), rest @ ..] => {
            searches_all(pattern, text, most(rest)).map(drop)
        }
        _ => Ok(()),
    }
}

/// `regex.find_all_string_submatch_n(pattern, text, n)`: a match comes with all its groups.
pub(in crate::policy::builtins) fn groups(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    let [Value::String(pattern), Value::String(text), rest @ ..] = arguments else {
        return Ok(());
    };
    let matches = searches_all(pattern, text, most(rest))?;
    let groups = compiled(pattern).map_or(1, |regex| regex.captures_len());
    elements(matches.saturating_mul(groups), MAX_ELEMENTS)
}

/// `regex.replace(text, pattern, replacement)`: `$0` stands for the match.
pub(in crate::policy::builtins) fn replace(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    let [
        Value::String(subject),
        Value::String(pattern),
        Value::String(replacement),
    ] = arguments
    else {
        return Ok(());
    };
    let matches = searches_all(pattern, subject, None)?;
    let copies = replacement.matches('$').count().saturating_add(1);
    let copied = subject.len().saturating_mul(copies);
    text(copied.saturating_add(matches.saturating_mul(replacement.len())))
}

/// `regex.template_match(template, text, start, end)`, all of it: regorus' own panics where the
/// text is shorter than the template.
pub(in crate::policy::builtins) fn template(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    let [
        Value::String(template),
        Value::String(subject),
        Value::String(open),
        Value::String(close),
    ] = arguments
    else {
        return Ok(());
    };
    compiles(template)?;
    let (mut template, mut subject) = (template.as_ref(), subject.as_ref());
    while let (Some(start), Some(end)) = (template.find(&**open), template.find(&**close)) {
        if start >= end {
            return Err(Instead::Answer(Value::Undefined));
        }
        let (Some(rest), Some(literal)) = (subject.get(start..), template.get(..start)) else {
            return Err(Instead::Answer(Value::from(false)));
        };
        let inner = start.saturating_add(open.len());
        let Some(pattern) = template.get(inner..end) else {
            return Err(Instead::Error("the delimiters overlap"));
        };
        searches(pattern, rest)?;
        // regorus reports what does not compile.
        let Some(regex) = compiled(pattern) else {
            return Ok(());
        };
        let found = regex.find(rest).filter(|found| found.start() == 0);
        let Some(found) = found.filter(|_| subject.starts_with(literal)) else {
            return Err(Instead::Answer(Value::from(false)));
        };
        subject = rest.get(found.end()..).unwrap_or_default();
        template = template
            .get(end.saturating_add(close.len())..)
            .unwrap_or_default();
    }
    Err(Instead::Answer(Value::from(template == subject)))
}

/// `glob.match(pattern, delimiters, text)`, `glob.quote_meta(pattern)`.
pub(in crate::policy::builtins) fn glob(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    let [Value::String(pattern), rest @ ..] = arguments else {
        return Ok(());
    };
    text_within(pattern.len(), MAX_GLOB)?;
    let braces = pattern.matches('{').count();
    if braces > MAX_GLOB_BRACES {
        return excess("a glob of", braces, MAX_GLOB_BRACES, "`{`");
    }
    let [delimiters, Value::String(subject)] = rest else {
        return Ok(());
    };
    elements(super::length(delimiters), MAX_DELIMITERS)?;
    pairs(pattern.len(), subject.len())
}

/// The number of matches that are asked for; negative means all.
fn most(rest: &[Value]) -> Option<usize> {
    rest.first()
        .and_then(|count| count.as_u64().ok())
        .and_then(|count| usize::try_from(count).ok())
}

pub(super) fn compiles(pattern: &str) -> Result<(), Instead> {
    text_within(pattern.len(), MAX_PATTERN)?;
    let count = |what: &str| pattern.matches(what).count();
    let operations: usize = ["&&", "--", "~~"].map(count).into_iter().sum();
    let classes = CLASSES.iter().map(|class| count(class)).sum::<usize>();
    let each = if ignores_case(pattern) { 16 } else { 1 };
    let weight = operations
        .saturating_mul(32)
        .saturating_add(classes.saturating_mul(each));
    if weight > MAX_CLASSES {
        return excess("classes of", weight, MAX_CLASSES, "together");
    }
    Ok(())
}

/// Whether a group such as `(?i)` or `(?s-i:` has the flag in it.
fn ignores_case(pattern: &str) -> bool {
    pattern.split("(?").skip(1).any(|group| {
        let mut flags = group
            .chars()
            .take_while(|c| c.is_ascii_alphabetic() || *c == '-');
        flags.any(|flag| flag == 'i')
    })
}

/// What stands for a large set of characters.
const CLASSES: &[&str] = &["\\p", "\\P", "\\w", "\\W", "\\d", "\\D", "\\s", "\\S", "[^"];

/// One search.
fn searches(pattern: &str, text: &str) -> Result<(), Instead> {
    compiles(pattern)?;
    let open = open_places(pattern);
    if open > FEW_OPEN && open.saturating_mul(text.len()) > MAX_SEARCHED {
        return Err(Instead::Excess(format!(
            "a pattern of {open} open places on {} bytes of text, more than {MAX_SEARCHED} multiplied",
            text.len()
        )));
    }
    Ok(())
}

/// A search for all matches, or for the first `most`: how many there are.
fn searches_all(pattern: &str, text: &str, most: Option<usize>) -> Result<usize, Instead> {
    searches(pattern, text)?;
    let Some(regex) = compiled(pattern) else {
        return Ok(0);
    };
    let started = Instant::now();
    let mut count: usize = 0;
    for _ in regex.find_iter(text).take(most.unwrap_or(usize::MAX)) {
        count = count.saturating_add(1);
        elements(count, MAX_ELEMENTS)?;
        if started.elapsed() > MAX_SEARCH {
            return Err(Instead::Excess(format!(
                "the search for all matches takes more than {} ms",
                MAX_SEARCH.as_millis()
            )));
        }
    }
    Ok(count)
}

/// `pattern` as regorus compiles it; nothing where it does not.
fn compiled(pattern: &str) -> Option<Regex> {
    static KEPT: LazyLock<Cache<String, Regex>> = LazyLock::new(|| Cache::new(MAX_KEPT));
    if let Some(regex) = KEPT.get(pattern) {
        return Some(regex);
    }
    let compiled = RegexBuilder::new(pattern).size_limit(MAX_COMPILED).build();
    let regex = compiled.ok()?;
    KEPT.insert(pattern.to_owned(), regex.clone());
    Some(regex)
}

/// At how many places of `pattern` more than one thing fits: classes, repetitions, alternatives.
/// What is repeated counts as often as it may occur.
pub(super) fn open_places(pattern: &str) -> usize {
    let mut outer: Vec<usize> = Vec::new();
    let (mut sum, mut last) = (0_usize, 0_usize);
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '(' => {
                outer.push(sum);
                (sum, last) = (0, 0);
            }
            ')' => {
                last = sum;
                sum = sum.saturating_add(outer.pop().unwrap_or_default());
            }
            '{' => {
                let (times, open) = times(rest.as_str());
                let repeated = last.saturating_add(open).saturating_mul(times);
                sum = sum.saturating_sub(last).saturating_add(repeated);
                last = repeated;
                rest.find(|c| *c == '}');
            }
            '*' | '+' | '?' | '|' => {
                sum = sum.saturating_add(1);
                last = last.saturating_add(1);
            }
            _ => {
                last = match c {
                    '\\' => usize::from(skip_escape(&mut rest)),
                    '[' => {
                        skip_class(&mut rest);
                        1
                    }
                    '.' => 1,
                    _ => 0,
                };
                sum = sum.saturating_add(last);
            }
        }
    }
    outer.into_iter().fold(sum, usize::saturating_add)
}

/// The larger number of `3}` or `1,3}`, and one if the numbers differ.
fn times(rest: &str) -> (usize, usize) {
    let inside = rest.split('}').next().unwrap_or_default();
    let numbers = inside.split(',').map(|number| number.trim().parse());
    let times = numbers.flatten().max().unwrap_or(1);
    (times, usize::from(inside.contains(',')))
}

/// Whether the escape is a class; `\p{Greek}` is one.
fn skip_escape(rest: &mut std::str::Chars<'_>) -> bool {
    let Some(escaped) = rest.next() else {
        return false;
    };
    if matches!(escaped, 'p' | 'P' | 'x' | 'u' | 'U' | 'b') && rest.as_str().starts_with('{') {
        rest.find(|c| *c == '}');
    }
    matches!(escaped, 'p' | 'P' | 'w' | 'W' | 'd' | 'D' | 's' | 'S')
}

fn skip_class(rest: &mut std::str::Chars<'_>) {
    let mut open: usize = 1;
    let negated = rest.as_str().strip_prefix('^');
    let first = negated.unwrap_or(rest.as_str());
    // A bracket that comes first stands for itself.
    if first.starts_with(']') {
        *rest = first.chars();
        rest.next();
    }
    while open > 0 {
        match rest.next() {
            Some('[') => open = open.saturating_add(1),
            Some(']') => open = open.saturating_sub(1),
            Some('\\') => drop(rest.next()),
            Some(_) => {}
            None => return,
        }
    }
}
