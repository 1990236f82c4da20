//! Loads arbitrary dictionary files that include each other: nothing panics, nothing runs away.
#![no_main]

use std::io;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use radius::dictionary::Dictionary;

fuzz_target!(|files: (&[u8], &[u8])| {
    let (first, second) = files;
    let mut dictionary = Dictionary::new();
    let mut read = |path: &Path| match path.file_name().and_then(|name| name.to_str()) {
        Some("a") => Ok(first.to_vec()),
        Some("b") => Ok(second.to_vec()),
        Some(_) | None => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    match dictionary.load_file(Path::new("a"), &mut read) {
        Ok(()) => {
            for definition in dictionary.definitions() {
                assert!(dictionary.find(definition.name()).is_some());
            }
        }
        Err(error) => {
            let _ = error.to_string();
            assert_eq!(dictionary.definitions().count(), 0);
        }
    }
});
