//! Roots that are too many, too deep or in one another, and what lies in good ones.

use proptest::prelude::*;

use super::*;

fn roots(declared: &[String]) -> Result<Roots, String> {
    Roots::new("b", Some(declared)).map_err(|problem| problem.to_string())
}

#[test]
fn so_many_roots_are_read_in_time_and_more_are_refused() {
    let declared: Vec<String> = (0..=MAX_ROOTS).map(|at| format!("a/{at}")).collect();
    let most = roots(&declared[..MAX_ROOTS]).unwrap();
    let data: Vec<String> = (0..MAX_ROOTS).map(|at| format!("\"{at}\":{{}}")).collect();
    let data = format!("{{\"a\":{{{},\"x\":1}}}}", data.join(","));
    let data = Value::from_json_str(&data).unwrap();
    let problems = most.problems_of_data("b", &data);
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    let text = problem.to_string();
    assert!(
        text.contains("`data.a.x`") && text.contains("and 9980 more"),
        "{text}"
    );
    let problem = roots(&declared).unwrap_err();
    assert!(problem.contains("at most 10000 roots"), "{problem}");
}

#[test]
fn a_root_of_too_many_parts_is_refused() {
    let root = |parts: usize| [vec!["a"; parts].join("/")];
    assert!(roots(&root(MAX_SEGMENTS)).is_ok());
    let problem = roots(&root(MAX_SEGMENTS + 1)).unwrap_err();
    assert!(problem.contains("at most 64 parts"), "{problem}");
}

proptest! {
    #[test]
    fn neighbours_tell_what_comparing_with_every_root_tells(
        declared in prop::collection::vec("[abA!](/[ab!]){0,3}", 0..5),
        path in prop::collection::vec("[abA!]", 0..5),
    ) {
        let split: Vec<Vec<String>> = declared
            .iter()
            .map(|root| root.split('/').map(str::to_owned).collect())
            .collect();
        let nested = |left: &[String], right: &[String]| {
            left.starts_with(right) || right.starts_with(left)
        };
        let mut firsts = split.iter().enumerate();
        let overlap = firsts.any(|(at, left)| {
            split.iter().skip(at.saturating_add(1)).any(|right| nested(left, right))
        });
        match roots(&declared) {
            Err(problem) => prop_assert!(overlap, "{problem}"),
            Ok(roots) => {
                prop_assert!(!overlap);
                let inside = split.iter().any(|root| path.starts_with(root));
                prop_assert_eq!(roots.contain(&path), inside);
                let touched = split.iter().any(|root| nested(root, &path));
                prop_assert_eq!(roots.nested(&path).is_some(), touched);
            }
        }
    }
}
