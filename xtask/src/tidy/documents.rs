//! What documents name is there: targets of links, headings behind anchors, paths in back-quotes.

use std::collections::BTreeMap;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::Finding;
use super::tree::{self, Tree};

/// Documents at the root; those in `docs/` are held to the same.
const DOCUMENTS: [&str; 5] = [
    "README.md",
    "ARCHITECTURE.md",
    "STYLE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
];

/// First names of paths from the root of the repository.
const ROOTED: [&str; 8] = [
    "crates/", "docs/", "xtask/", "dist/", "scripts/", ".ci/", ".config/", ".cargo/",
];

/// First names of paths from the directory of a crate.
const IN_CRATES: [&str; 4] = ["src/", "tests/", "benches/", "fuzz/"];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    let pages: BTreeMap<&str, Page> = tree
        .texts()
        .filter(|(path, _)| path.ends_with(".md"))
        .map(|(path, text)| (path, Page::read(text)))
        .collect();
    for (path, page) in &pages {
        if !DOCUMENTS.contains(path) && !path.starts_with("docs/") {
            continue;
        }
        for (line, target) in &page.links {
            if let Err(reason) = check_link(tree, &pages, path, target) {
                findings.push(Finding::at(
                    path,
                    *line,
                    format!("link to `{target}` {reason}"),
                ));
            }
        }
        for (line, code) in &page.codes {
            if is_missing_path(tree, code) {
                findings.push(Finding::at(
                    path,
                    *line,
                    format!("`{code}` is not in the repository: correct the path, or remove the sentence"),
                ));
            }
        }
    }
}

/// What one document refers to and what can be referred to in it, with lines counted from 1.
#[derive(Default)]
struct Page {
    anchors: Vec<String>,
    links: Vec<(usize, String)>,
    codes: Vec<(usize, String)>,
}

impl Page {
    fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut heading: Option<String> = None;
        let options =
            Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_TASKLISTS;
        for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
            let line = text[..range.start].matches('\n').count() + 1;
            if let Event::Start(Tag::Heading { .. }) = &event {
                heading = Some(String::new());
            } else if let Event::End(TagEnd::Heading(_)) = &event {
                page.add_anchor(&heading.take().unwrap_or_default());
            } else if let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) =
                &event
            {
                page.links.push((line, dest_url.to_string()));
            } else if let Event::Code(code) = &event {
                page.codes.push((line, code.to_string()));
            }
            if let (Event::Text(text) | Event::Code(text), Some(title)) = (&event, &mut heading) {
                title.push_str(text);
            }
        }
        page
    }

    /// Anchors as GitHub makes them: the second of one name ends in `-1`.
    fn add_anchor(&mut self, title: &str) {
        let slug: String = title
            .trim()
            .to_lowercase()
            .chars()
            .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
            .map(|letter| if letter == ' ' { '-' } else { letter })
            .collect();
        let mut anchor = slug.clone();
        let mut copies = 0;
        while self.anchors.contains(&anchor) {
            copies += 1;
            anchor = format!("{slug}-{copies}");
        }
        self.anchors.push(anchor);
    }
}

fn check_link(
    tree: &Tree,
    pages: &BTreeMap<&str, Page>,
    from: &str,
    target: &str,
) -> Result<(), &'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return Ok(());
    }
    if target.starts_with('/') {
        return Err("begins with `/`: write it relative to this document");
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() {
        from.to_owned()
    } else {
        tree::resolve(tree::parent(from), file)
            .ok_or("leaves the repository: link to something inside")?
    };
    if !tree.contains(&path) {
        return Err("leads nowhere: correct it, or remove it");
    }
    let page = pages.get(path.as_str());
    if !anchor.is_empty()
        && page.is_some_and(|page| !page.anchors.iter().any(|known| known == anchor))
    {
        return Err("names a heading that is not there: correct the part after `#`");
    }
    Ok(())
}

/// True for back-quoted text that reads as a path of ours and is none.
fn is_missing_path(tree: &Tree, code: &str) -> bool {
    let path = code.split_once('#').map_or(code, |(path, _)| path);
    let path = match path.rsplit_once(':') {
        Some((path, line)) if line.starts_with(|letter: char| letter.is_ascii_digit()) => path,
        Some(_) | None => path,
    };
    if path.contains(|letter: char| letter.is_whitespace() || "*<>{}$…|".contains(letter))
        || has_wildcard_name(path)
    {
        return false;
    }
    if ROOTED.iter().any(|prefix| path.starts_with(prefix)) {
        return !tree.contains(path);
    }
    if IN_CRATES.iter().any(|prefix| path.starts_with(prefix)) {
        let is_in_crate = tree
            .directories_in("crates")
            .any(|name| tree.contains(&format!("crates/{name}/{path}")));
        return !is_in_crate && !tree.contains(path) && !tree.contains(&format!("xtask/{path}"));
    }
    false
}

/// True when a name in the path stands for any name: `crates/NAME/Cargo.toml`.
fn has_wildcard_name(path: &str) -> bool {
    path.split('/')
        .map(|name| name.split_once('.').map_or(name, |(stem, _)| stem))
        .any(|stem| 2 <= stem.len() && stem.bytes().all(|byte| byte.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixture::{Fixture, assert_findings};

    #[track_caller]
    fn check_page(path: &str, text: &str, expected: &[&str]) {
        let fixture = Fixture::new(&[
            ("LICENSE-MIT", ""),
            (
                "docs/nas.md",
                "# Routers\n\n## Add `one`, now\n\n## Add `one`, now\n",
            ),
            ("crates/radius/src/packet.rs", ""),
            ("crates/radius/README.md", "[gone](gone.md)\n"),
        ]);
        fixture.write(path, text.as_bytes());
        let mut findings = Vec::new();
        check(&fixture.tree(), &mut findings);
        assert_findings(findings, expected);
    }

    #[test]
    fn links_lead_somewhere() {
        check_page(
            "README.md",
            "[a](LICENSE-MIT) [b](docs/) [c](https://example.net/x) [d](mailto:a@b.c)",
            &[],
        );
        check_page("docs/a/b.md", "[a](../nas.md)\n", &[]);
        check_page(
            "README.md",
            "Text.\n[a](gone.md)\n![b](gone.png)\n[c][c]\n\n[c]: gone.txt\n",
            &[
                "README.md:2: link to `gone.md` leads nowhere",
                "README.md:3: link to `gone.png` leads nowhere",
                "README.md:4: link to `gone.txt` leads nowhere",
            ],
        );
    }

    #[test]
    fn links_stay_inside() {
        check_page(
            "docs/a.md",
            "[a](../../b.md)",
            &["docs/a.md:1: link to `../../b.md` leaves the repository"],
        );
        check_page(
            "docs/a.md",
            "[a](/docs/nas.md)",
            &["docs/a.md:1: link to `/docs/nas.md` begins with `/`"],
        );
    }

    #[test]
    fn anchors_are_headings() {
        check_page(
            "README.md",
            "# Here\n[a](#here) [b](docs/nas.md#add-one-now) [c](docs/nas.md#add-one-now-1)",
            &[],
        );
        check_page(
            "README.md",
            "[a](#here)\n[b](docs/nas.md#add-two)",
            &[
                "README.md:1: link to `#here` names a heading",
                "README.md:2: link to `docs/nas.md#add-two` names a heading",
            ],
        );
    }

    #[test]
    fn quoted_paths_are_there() {
        check_page(
            "STYLE.md",
            "`crates/radius/`, `crates/radius/src/packet.rs:12`, `src/packet.rs`",
            &[],
        );
        check_page(
            "STYLE.md",
            "`docs/gone.md`\n\n`src/gone.rs`\n\n| a |\n|---|\n| `xtask/gone.rs` |\n",
            &[
                "STYLE.md:1: `docs/gone.md` is not in the repository",
                "STYLE.md:3: `src/gone.rs` is not in the repository",
                "STYLE.md:7: `xtask/gone.rs` is not in the repository",
            ],
        );
    }

    #[test]
    fn quoted_text_that_is_no_path_is_kept() {
        check_page(
            "STYLE.md",
            "`crates/*/src`, `crates/NAME/x.rs`, `docs/<page>.md`, `scripts/x.sh now`, `and/or`",
            &[],
        );
        check_page("STYLE.md", "```sh\ncd crates/gone\n```\n", &[]);
    }

    #[test]
    fn other_documents_are_not_held_to_it() {
        check_page("crates/radius/NOTES.md", "[a](gone.md) `docs/gone.md`", &[]);
    }
}
