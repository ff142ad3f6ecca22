//! The parts of a secret that is used as a path or an address. Errors and results speak of a folder, a name or a host
//! alone, where the whole secret is not found.

use super::{LEAST, Secrets};

/// What stands between the parts of a path, an address, or a URL.
const BETWEEN: [char; 10] = ['/', '\\', ':', '@', '?', '&', '=', '#', '[', ']'];
/// Most digits of a number that gives nothing away, such as a port.
const SHORT_NUMBER: usize = 5;

impl Secrets {
    /// Masks from now on also the parts of each secret that occurs in `text`, which is a path or an address.
    /// `is_open`: true for a part that everybody may see, such as the folder where the shell works.
    pub fn add_parts(&self, text: &str, is_open: impl Fn(&str) -> bool) {
        let used: Vec<String> = {
            let known = self.lock();
            let used = known.iter().filter(|known| known.name.is_some() && known.occurs_in(text));
            used.map(|known| known.text().to_owned()).collect()
        };
        let parts = used.iter().flat_map(|secret| secret.split(BETWEEN).filter(move |part| part != secret));
        for part in parts.filter(|part| gives_away(part) && !is_open(part)) {
            self.insert(None, part);
        }
    }
}

fn gives_away(part: &str) -> bool {
    let is_short_number = part.len() <= SHORT_NUMBER && part.bytes().all(|byte| byte.is_ascii_digit());
    part.chars().count() >= LEAST && !is_short_number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(secrets: &Secrets, text: &str) -> String {
        let mut text = text.to_owned();
        secrets.hide(&mut text);
        text
    }

    #[test]
    fn row_93_a_secret_that_is_used_as_a_path_or_an_address_is_hidden_in_parts() {
        let secrets = Secrets::default();
        assert!(secrets.add("FOLDER", "/home/alpha1/b2/beta22.txt") && secrets.add("PLACE", "goldfish:9000"));
        assert!(secrets.add("OTHER", "gamma/delta"));
        let text = "no alpha1, BETA22.TXT, goldfish, 9000, gamma; home, b2";
        assert_eq!(hidden(&secrets, text), text);
        secrets.add_parts("/srv/home/alpha1/b2/beta22.txt.gz", |part| part == "home");
        secrets.add_parts("tcp goldfish:9000", |_| false);
        assert_eq!(hidden(&secrets, text), "no ***, ***, ***, 9000, gamma; home, b2");
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
