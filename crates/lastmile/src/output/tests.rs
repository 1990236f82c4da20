//! The same records in every format.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;

#[derive(Serialize)]
struct Row {
    name: &'static str,
    upload_bytes: u64,
    note: Option<&'static str>,
}

impl Record for Row {
    const FIELDS: &'static [&'static str] = &["name", "upload_bytes", "note"];
    const COLUMNS: &'static [&'static str] = &["name", "upload_bytes"];
}

#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const ROWS: [Row; 2] = [
    Row {
        name: "ana",
        upload_bytes: 2_048,
        note: None,
    },
    Row {
        name: "ben, \"b\"",
        upload_bytes: 5,
        note: Some("new"),
    },
];

#[track_caller]
fn check_list(format: OutputFormat, extent: Extent, rows: &[Row], expected: &str) -> Listed {
    let written = Shared::default();
    let mut output = Output::new(format, Box::new(written.clone()));
    let mut listing = output.listing(extent);
    for row in rows {
        listing.push(row).expect("a vector takes everything");
    }
    let listed = listing.finish().expect("a vector takes everything");
    let text = String::from_utf8(written.0.borrow().clone()).expect("the output is text");
    assert_eq!(text, expected);
    listed
}

#[test]
fn a_list_has_the_same_records_in_every_format() {
    check_list(
        OutputFormat::Table,
        Extent::All,
        &ROWS,
        "NAME       UPLOAD\nana       2.0 KiB\nben, \"b\"      5 B\n",
    );
    check_list(
        OutputFormat::Json,
        Extent::All,
        &ROWS,
        "[\n  {\"name\":\"ana\",\"upload_bytes\":2048,\"note\":null},\n  {\"name\":\"ben, \\\"b\\\"\",\"upload_bytes\":5,\"note\":\"new\"}\n]\n",
    );
    check_list(
        OutputFormat::Jsonl,
        Extent::All,
        &ROWS[..1],
        "{\"name\":\"ana\",\"upload_bytes\":2048,\"note\":null}\n",
    );
    check_list(
        OutputFormat::Csv,
        Extent::All,
        &ROWS,
        "name,upload_bytes,note\nana,2048,\n\"ben, \"\"b\"\"\",5,new\n",
    );
}

#[test]
fn an_empty_list_is_still_a_document() {
    check_list(OutputFormat::Table, Extent::All, &[], "");
    check_list(OutputFormat::Json, Extent::All, &[], "[]\n");
    check_list(OutputFormat::Jsonl, Extent::All, &[], "");
    check_list(
        OutputFormat::Csv,
        Extent::All,
        &[],
        "name,upload_bytes,note\n",
    );
}

#[test]
fn a_list_that_the_user_limited_is_not_cut() {
    let listed = check_list(
        OutputFormat::Jsonl,
        Extent::First(1),
        &ROWS,
        "{\"name\":\"ana\",\"upload_bytes\":2048,\"note\":null}\n",
    );
    assert_eq!(
        listed,
        Listed {
            rows: 1,
            is_cut: false
        }
    );
}

#[test]
fn a_table_has_an_end_and_says_so() {
    let mut output = Output::new(OutputFormat::Table, Box::new(Shared::default()));
    let mut listing = output.listing(Extent::All);
    for _ in 0..=TABLE_ROWS_MAX {
        listing.push(&ROWS[0]).expect("a vector takes everything");
    }
    assert!(!listing.is_open());
    let listed = listing.finish().expect("a vector takes everything");
    assert_eq!(
        listed,
        Listed {
            rows: TABLE_ROWS_MAX,
            is_cut: true
        }
    );
}
