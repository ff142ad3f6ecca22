//! The parts of a secret that is used as a path or an address. Errors and results speak of a folder, a name or a host
//! alone, where the whole secret is not found.

use super::{LEAST, Secrets};

/// What stands between the parts of a path, an address, or a URL.
const BETWEEN: [char; 10] = ['/', '\\', ':', '@', '?', '&', '=', '#', '[', ']'];
/// Most folders of one path that are hidden as a whole.
const FOLDERS: usize = 32;
/// What stands around an address of IPv6, in which `:` stands.
const AROUND_ADDRESSES: [char; 4] = ['/', '[', ']', '@'];
/// Longest secret that can be a path or an address, in bytes; that of a path on Linux.
const LONGEST: usize = 4096;
/// Most digits of a number that gives nothing away, such as a port.
const SHORT_NUMBER: usize = 5;

impl Secrets {
    /// Masks from now on also the parts of each secret that occurs in `text`, which is a path or an address.
    /// `is_open`: true for a part that everybody may see, such as the folder where the shell works.
    pub fn add_parts(&self, text: &str, is_open: impl Fn(&str) -> bool) {
        let used: Vec<String> = {
            let known = self.lock();
            let used = known.found(text.as_bytes()).filter(|(_, known)| known.name.is_some());
            used.map(|(_, known)| known.text().to_owned()).collect()
        };
        for secret in used.iter().filter(|secret| secret.len() <= LONGEST) {
            let parts = secret.split(BETWEEN).chain(folders(secret)).map(str::to_owned);
            let parts = parts.chain(secret.split(AROUND_ADDRESSES).filter_map(as_shown));
            for part in parts.filter(|part| gives_away(part) && part != secret && !is_open(part)) {
                self.insert(None, &part);
            }
        }
    }
}

/// The folders of a path, from the last on, if some of their names are too short to be hidden alone.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    let has_short = path.split('/').any(|name| !name.is_empty() && name.chars().count() < LEAST);
    path.rmatch_indices('/').map(|(end, _)| &path[..end]).filter(move |_| has_short).take(FOLDERS)
}

/// An address as this program writes it.
fn as_shown(address: &str) -> Option<String> {
    Some(address.parse::<std::net::IpAddr>().ok()?.to_string())
}

fn gives_away(part: &str) -> bool {
    let is_short_number = part.len() <= SHORT_NUMBER && part.bytes().all(|byte| byte.is_ascii_digit());
    part.chars().count() >= LEAST && !is_short_number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_93_a_secret_that_is_used_as_a_path_or_an_address_is_hidden_in_parts() {
        let secrets = Secrets::default();
        assert!(secrets.add("FOLDER", "/home/alpha1/b2/beta22.txt") && secrets.add("PLACE", "goldfish:9000"));
        assert!(secrets.add("OTHER", "gamma/delta"));
        let text = "no alpha1, BETA22.TXT, goldfish, 9000, gamma; home, b2";
        assert_eq!(secrets.hidden(text), text);
        secrets.add_parts("/srv/home/alpha1/b2/beta22.txt.gz", |part| part == "home");
        secrets.add_parts("tcp goldfish:9000", |_| false);
        assert_eq!(secrets.hidden(text), "no ***, ***, ***, 9000, gamma; home, b2");
        assert!(secrets.add("SHORT", "abc/def/ghi/j") && secrets.add("V6", "2001:0DB8::0001"));
        secrets.add_parts("/srv/abc/def/ghi/j [2001:0DB8::0001]:5", |_| false);
        assert_eq!(secrets.hidden("/srv/abc/def/ghi/x [2001:db8::1]:5"), "/srv/***/x [***]:5");
        assert!(secrets.add("LOOPBACK", "0:0:0:0:0:0:0:1"));
        secrets.add_parts("[0:0:0:0:0:0:0:1]:9", |_| false);
        assert_eq!(secrets.hidden("[::1]:9"), "[::1]:9");
        assert!(!secrets.occur_in("alpha1") && secrets.occur_in("gamma/delta"));
    }

    #[test]
    fn a_part_of_a_secret_has_no_name_in_a_script_unless_it_is_one_itself() {
        let secrets = Secrets::default();
        assert!(secrets.add("FOLDER", "alpha1/beta22"));
        secrets.add_parts("alpha1/beta22", |_| false);
        let named = |text: &str| {
            let mut text = text.to_owned();
            secrets.name(&mut text);
            text
        };
        assert_eq!(named("cd alpha1; send alpha1/beta22"), "cd alpha1; send $env.FOLDER");
        assert!(secrets.add("PART", "alpha1"));
        assert_eq!(named("cd alpha1"), "cd $env.PART");
    }
}
