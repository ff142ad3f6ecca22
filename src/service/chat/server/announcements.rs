//! Announcements to everybody in a room, batched: a storm of joins becomes one line. Pure.

/// Names listed for each kind of event; more are only counted.
const TOLD: usize = 3;

/// Events since the last announcement.
#[derive(Debug, Default)]
pub(crate) struct Announcements {
    pub(crate) joined: Vec<String>,
    /// Name and how the client left, as text.
    pub(crate) left: Vec<String>,
    /// `OLD is now NEW`, as text.
    pub(crate) renamed: Vec<String>,
}

impl Announcements {
    /// A line for each kind of event.
    pub(crate) fn lines(&self) -> Vec<String> {
        let joined = listed(&self.joined, "others").map(|names| format!("{names} joined"));
        let left = listed(&self.left, "others left");
        let renamed = listed(&self.renamed, "others have new names");
        [joined, renamed, left].into_iter().flatten().collect()
    }
}

fn listed(items: &[String], others: &str) -> Option<String> {
    let shown = items.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>().join(", ");
    match items.len() {
        0 => None,
        more if more > TOLD => Some(format!("{shown} and {} {others}", more - TOLD)),
        _ => Some(shown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_one_line() {
        let of = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let news = Announcements { joined: of(&["a", "b"]), left: of(&["c left"]), renamed: Vec::new() };
        assert_eq!(news.lines(), ["a, b joined", "c left"]);
        assert!(Announcements::default().lines().is_empty());
    }
}
