//! The repository keeps the rules of `cargo xtask tidy`.

use xtask::tidy;

#[test]
fn repository_is_tidy() {
    let root = tidy::root().expect("tests run in the directory of their package");
    let findings = tidy::check(&root).expect("the rules can be checked without the network");
    assert!(findings.is_empty(), "\n{}", tidy::report(&findings));
}
