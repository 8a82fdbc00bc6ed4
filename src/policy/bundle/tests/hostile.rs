//! Archives that are too large, damaged, or more than one archive: refused while they are read.

use std::io::Read as _;

use super::*;

fn limits() -> Limits {
    Limits {
        archive_bytes: 1 << 20,
        unpacked_bytes: 1 << 20,
        file_bytes: 100_000,
        entries: 100,
        module_bytes: 10_000,
        data_bytes: 100_000,
    }
}

fn refused(bytes: &[u8]) -> String {
    contents(bytes, &limits()).unwrap_err()
}

#[test]
fn every_limit_is_reached_and_not_passed() {
    let spaces = |count: usize| vec![b' '; count];
    let of = |name: &str, count: usize| archive(&[(name, &spaces(count))]);
    let values = |count: usize| {
        let text = format!("{{\"a\":[{}1]}}", "1,".repeat(count));
        archive(&[("data.json", text.as_bytes())])
    };
    let many = |count: usize| {
        let names: Vec<String> = (0..count).map(|at| format!("{at}.txt")).collect();
        let files: Vec<(&str, &[u8])> =
            names.iter().map(|name| (name.as_str(), &b""[..])).collect();
        archive(&files)
    };
    let blocks = |count: usize| {
        let files: Vec<u8> = (0..count)
            .flat_map(|at| file(&format!("{at}.bin"), &spaces(100_000)))
            .collect();
        compressed(files)
    };
    for (good, bad, rule) in [
        (
            of("a.txt", 100_000),
            of("a.txt", 100_001),
            "a file is at most 100000 bytes",
        ),
        (of("a.rego", 10_000), of("a.rego", 10_001), "too much Rego"),
        (values(1000), values(3000), "grows beyond 100000 bytes"),
        (many(100), many(101), "at most 100 entries"),
        (blocks(10), blocks(11), "unpacks to at most 1048576 bytes"),
    ] {
        if let Err(text) = contents(&good, &limits()) {
            panic!("{rule}: {text}");
        }
        let text = refused(&bad);
        assert!(text.contains(rule), "{rule}: {text}");
    }
    let long = vec![0; (1 << 20) + 1];
    assert!(refused(&long).contains("archive is at most 1048576 bytes"));
}

#[test]
fn a_bomb_ends_at_the_limit_and_takes_no_memory_before() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let huge = header(b"a.txt", EntryType::Regular, 1 << 33);
    gzip.write_all(huge.as_bytes()).unwrap();
    std::io::copy(&mut std::io::repeat(0).take(64 << 20), &mut gzip).unwrap();
    let bomb = gzip.finish().unwrap();
    let text = refused(&bomb);
    assert!(text.contains("a file is at most"), "{text}");
    let lax = Limits {
        file_bytes: u64::MAX,
        ..limits()
    };
    let text = contents(&bomb, &lax).unwrap_err();
    assert!(text.contains("unpacks to at most"), "{text}");
}

#[test]
fn a_header_that_lies_is_refused() {
    let of = |size: usize| {
        let mut entries = header(b"a.rego", EntryType::Regular, size)
            .as_bytes()
            .to_vec();
        entries.extend([b'#'; 1024]);
        compressed(entries)
    };
    assert!(snapshot(&of(1024)).is_ok());
    // More than there is, and less, so that content stands where a header should.
    assert!(problem(&of(5000)).contains("it is cut off"));
    assert!(problem(&of(512)).contains("checksum"));
    let mut negative = header(b"a.rego", EntryType::Regular, 0);
    negative.as_old_mut().size = [0xff; 12];
    negative.set_cksum();
    assert!(!problem(&compressed(negative.as_bytes().to_vec())).is_empty());
    let mut letters = header(b"a.rego", EntryType::Regular, 0);
    letters.as_old_mut().size = *b"00000000zzz\0";
    letters.set_cksum();
    let text = problem(&compressed(letters.as_bytes().to_vec()));
    assert!(text.contains("no readable size"), "{text}");
}

#[test]
fn what_is_no_archive_or_cut_off_is_refused() {
    let whole = archive(&[("a.rego", b"package a\n")]);
    assert!(snapshot(&whole).is_ok());
    for end in 0..whole.len() {
        let text = problem(&whole[..end]);
        assert!(text.contains("not a readable bundle"), "{end}: {text}");
    }
    assert!(problem(b"package a").contains("not a readable bundle"));
    assert!(problem(&gzip(b"package a")).contains("it is cut off"));
    let unfinished = gzip(&file("a.rego", b"package a\n"));
    assert!(problem(&unfinished).contains("it is cut off"));
    let mut damaged = whole;
    let checksum = damaged.len() - 6;
    damaged[checksum] ^= 0xff;
    assert!(problem(&damaged).contains("not a readable bundle"));
}

#[test]
fn what_follows_the_end_is_refused() {
    let evil = file("b.rego", b"package b\n");
    let mut entries = file("a.rego", b"package a\n");
    entries.extend([0; 9000]);
    assert!(snapshot(&compressed(entries.clone())).is_ok());
    entries.extend(&evil);
    let text = problem(&compressed(entries));
    assert!(text.contains("more behind the archive's end"), "{text}");
    let whole = archive(&[("a.rego", b"package a\n")]);
    for tail in [gzip(&evil), gzip(b""), b"x".to_vec(), vec![0; 512]] {
        let text = problem(&[whole.clone(), tail].concat());
        assert!(
            text.contains("more behind the compressed archive"),
            "{text}"
        );
    }
}

#[test]
fn deep_documents_are_refused() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    for (name, depth, rule) in [
        ("data.json", 100_000, "recursion limit"),
        ("data.yaml", 1000, "recursion limit"),
        ("data.yaml", 100_000, "too many brackets"),
    ] {
        assert!(
            snapshot(&archive(&[(name, nested(100).as_bytes())])).is_ok(),
            "{name}"
        );
        let text = problem(&archive(&[(name, nested(depth).as_bytes())]));
        assert!(text.contains(rule), "{name}: {text}");
    }
    let folders = |depth: usize| format!("{}data.json", "a/".repeat(depth));
    let of = |depth| compressed(entry(folders(depth).as_bytes(), EntryType::Regular, b"1"));
    assert!(snapshot(&of(40)).is_ok());
    let deep = folders(65);
    let mut long = deep.into_bytes();
    long.push(0);
    let mut entries = entry(b"x", EntryType::GNULongName, &long);
    entries.extend(file("short", b"1"));
    assert!(problem(&compressed(entries)).contains("at most 64 folders"));
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut text = format!("a: &a [{}]\n", vec!["x"; 100].join(","));
    for name in ["b", "c", "d", "e", "f"] {
        let of = char::from(name.as_bytes()[0] - 1);
        text.push_str(&format!(
            "{name}: &{name} [{}]\n",
            vec![format!("*{of}"); 100].join(",")
        ));
    }
    let text = problem(&archive(&[("data.yaml", text.as_bytes())]));
    assert!(text.contains("invalid YAML"), "{text}");
    let few = "a: &a [1, 2]\nb: [*a, *a]\n";
    let bundle = snapshot(&archive(&[("data.yaml", few.as_bytes())])).unwrap();
    assert_eq!(bundle.data, value(r#"{"a":[1,2],"b":[[1,2],[1,2]]}"#));
}
