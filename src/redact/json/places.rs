//! Where something was left out of a record: JSON pointers, and not more of them than a record may hold
//! however it is made.

/// JSON pointers, each once.
#[derive(Debug, Default)]
pub(super) struct Places {
    list: Vec<Box<str>>,
    bytes: usize,
    /// Those among them that stand for all below.
    wide: Vec<Box<str>>,
}

impl Places {
    /// Notes `path`; where there is no room for it, what it is a part of, once.
    pub(super) fn note(&mut self, path: &str) {
        let bytes = self.bytes.saturating_add(path.len());
        if path.len() <= LONGEST && self.list.len() < MOST && bytes <= MOST_BYTES {
            self.bytes = bytes;
            self.list.push(path.into());
            return;
        }
        let top = above(path);
        if self.wide.iter().any(|wide| **wide == *top) {
            return;
        }
        if self.wide.len() < MOST_WIDE {
            self.wide.push(top.into());
            self.list.push(top.into());
        }
    }

    pub(super) fn list(&self) -> &[Box<str>] {
        &self.list
    }

    pub(super) fn take(&mut self) -> Vec<Box<str>> {
        self.bytes = 0;
        self.wide.clear();
        std::mem::take(&mut self.list)
    }
}

/// The beginning of a pointer that the shape of records gives, not what is sent: `/input/parsed_body`,
/// or less where even that is long.
fn above(path: &str) -> &str {
    let mut ends = path.match_indices('/').map(|(at, _)| at).skip(1);
    let ends = [ends.next(), ends.next().or(Some(path.len()))];
    let fits = |end: &usize| *end <= LONGEST;
    let end = ends.into_iter().rev().flatten().find(fits);
    end.and_then(|end| path.get(..end)).unwrap_or_default()
}

/// Pointers in one list.
const MOST: usize = 256;
/// Of all pointers in one list, in bytes.
const MOST_BYTES: usize = 16 * 1024;
/// Of one pointer, in bytes.
const LONGEST: usize = 1024;
/// More than records have parts.
const MOST_WIDE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_bounded_in_number_and_in_bytes_and_nothing_goes_unsaid() {
        for key in [String::new(), "k".repeat(900), "k".repeat(60_000)] {
            let mut places = Places::default();
            for at in 0..1_000 {
                places.note(&format!("/input/parsed_body/{key}/{at}"));
                places.note("/input/jwt");
            }
            let list = places.take();
            let bytes: usize = list.iter().map(|place| place.len()).sum();
            assert!(list.len() <= MOST + MOST_WIDE, "{}", list.len());
            assert!(bytes <= MOST_BYTES + MOST_WIDE * LONGEST, "{bytes}");
            for part in ["/input/parsed_body", "/input/jwt"] {
                assert!(list.iter().any(|place| **place == *part), "{part}");
            }
        }
    }

    #[test]
    fn a_part_is_what_the_first_two_segments_name() {
        let long = "k".repeat(2_000);
        for (path, part) in [
            ("/input/parsed_body/a/b", "/input/parsed_body"),
            ("/input/parsed_body", "/input/parsed_body"),
            ("/input", "/input"),
            (&*format!("/result/{long}/a"), "/result"),
            ("", ""),
        ] {
            assert_eq!(above(path), part);
        }
    }
}
