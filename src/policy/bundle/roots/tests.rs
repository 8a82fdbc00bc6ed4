//! Roots, few and many.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn roots(declared: &[String]) -> Result<Roots, String> {
    Roots::new("b", Some(declared)).map_err(|problem| problem.to_string())
}

/// One lies in the other, as it is defined.
fn nested(left: &[String], right: &[String]) -> bool {
    left.starts_with(right) || right.starts_with(left)
}

#[test]
fn many_roots_are_read_in_no_time() {
    let many = |last: &str| -> Vec<String> {
        let numbered = (0..100_000).map(|number| format!("r/{number}"));
        numbered.chain([last.to_owned()]).collect()
    };
    let begun = Instant::now();
    let all = roots(&many("last")).unwrap();
    let problem = roots(&many("r/99999/x")).unwrap_err();
    assert!(problem.contains("`r/99999` and `r/99999/x`"), "{problem}");
    let others: Vec<String> = (0..100_000).map(|number| format!("s/{number}")).collect();
    let others = roots(&others).unwrap();
    assert_eq!(overlap(&all, &others), None);
    assert!(overlap(&all, &roots(&["r/7/x".to_owned()]).unwrap()).is_some());
    assert!(all.same(&all.clone()) && !all.same(&others));
    for number in 0..100_000 {
        assert!(all.contain(&segments(&format!("r/{number}/x"))));
        assert!(!all.contain(&segments(&format!("q/{number}/x"))));
    }
    // Comparing each with each takes minutes.
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(all.text().ends_with("and 99981 more]"), "{}", all.text());
}

#[test]
fn roots_are_told_as_they_were_declared() {
    let all = roots(&["/b/".to_owned(), "a/c".to_owned()]).unwrap();
    assert!(all.paths().eq(["b", "a/c"]));
    assert_eq!(all.text(), "[`b`, `a/c`]");
}

/// Paths that often lie in each other, with a sign that sorts before the slash.
fn paths() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[ab!](/[ab!]){0,3}", 0..6)
}

proptest! {
    #[test]
    fn what_is_found_is_what_comparing_each_with_each_finds(
        left in paths(), right in paths(), path in "[ab!](/[ab!]){0,3}",
    ) {
        let split = |all: &[String]| -> Vec<Vec<String>> {
            all.iter().map(|root| segments(root)).collect()
        };
        let (lefts, rights) = (split(&left), split(&right));
        let is_apart = |all: &[Vec<String>]| {
            (0..all.len()).all(|at| all[..at].iter().all(|other| !nested(other, &all[at])))
        };
        prop_assert_eq!(roots(&left).is_ok(), is_apart(&lefts));
        let (Ok(left), Ok(right)) = (roots(&left), roots(&right)) else {
            return Ok(());
        };
        let path = segments(&path);
        prop_assert_eq!(left.contain(&path), lefts.iter().any(|root| path.starts_with(root)));
        let any = lefts.iter().any(|one| rights.iter().any(|other| nested(one, other)));
        prop_assert_eq!(overlap(&left, &right).is_some(), any);
    }
}
