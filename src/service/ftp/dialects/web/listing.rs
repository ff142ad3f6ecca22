//! The rows of a folder's page, in the order that is wanted.

use std::cmp::Ordering;

use crate::service::files::protocol::Entry;
use crate::wire::http::Target;

/// How the rows are ordered; folders always come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum By {
    #[default]
    Name,
    Size,
    Time,
}

/// The order that is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) by: By,
    /// From the largest to the smallest.
    pub(super) descends: bool,
}

impl By {
    pub(super) const ALL: [(Self, &'static str); 3] =
        [(Self::Name, "name"), (Self::Size, "size"), (Self::Time, "time")];
}

impl Order {
    /// From `?sort=size&desc`; what is not understood is the default.
    pub(super) fn of(target: &Target) -> Self {
        let word = target.query_value("sort").unwrap_or_default();
        let by = By::ALL.iter().find(|(_, name)| *name == word).map(|(by, _)| *by);
        Self { by: by.unwrap_or_default(), descends: target.query_has("desc") }
    }

    /// The query that orders by `by`, the other way round if it is ordered so already.
    pub(super) fn query(self, by: By) -> String {
        let name = By::ALL.iter().find(|(own, _)| *own == by).map_or("name", |(_, name)| name);
        let descends = self.by == by && !self.descends;
        format!("?sort={name}{}", if descends { "&amp;desc" } else { "" })
    }

    /// Puts the entries in order.
    pub(super) fn sort(self, entries: &mut [Entry]) {
        entries.sort_by(|a, b| {
            let folders = b.is_folder().cmp(&a.is_folder());
            folders.then_with(|| if self.descends { self.compare(b, a) } else { self.compare(a, b) })
        });
    }

    fn compare(self, a: &Entry, b: &Entry) -> Ordering {
        let first = match self.by {
            By::Name => Ordering::Equal,
            By::Size => a.size.cmp(&b.size),
            By::Time => a.modified.cmp(&b.modified),
        };
        let name = |entry: &Entry| entry.name.to_lowercase();
        first.then_with(|| name(a).cmp(&name(b))).then_with(|| a.name.cmp(&b.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::files::protocol::EntryKind;
    use crate::wire::http::Method;

    fn order(query: &str) -> Order {
        Order::of(&Target::read(format!("/{query}").as_bytes(), Method::Get).unwrap())
    }

    #[test]
    fn rows_are_ordered_with_folders_first() {
        let entry =
            |name: &str, kind, size| Entry { name: name.into(), kind, mode: 0, size, modified: 9 - size };
        let mut entries = vec![
            entry("b", EntryKind::File, 1),
            entry("A", EntryKind::File, 3),
            entry("z", EntryKind::Folder, 2),
        ];
        for (query, expected) in [
            ("", "zAb"),
            ("?sort=name&desc", "zbA"),
            ("?sort=size", "zbA"),
            ("?sort=time", "zAb"),
            ("?sort=x", "zAb"),
        ] {
            order(query).sort(&mut entries);
            let names: String = entries.iter().map(|entry| entry.name.as_str()).collect();
            assert_eq!(names, expected, "{query}");
        }
        assert_eq!(order("?sort=size").query(By::Size), "?sort=size&amp;desc");
        assert_eq!(order("?sort=size").query(By::Name), "?sort=name");
    }
}
