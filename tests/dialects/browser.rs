//! A browser without a screen, driven through the pipe of its debugging protocol: one JSON object after another, each with
//! a zero byte at its end.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{LIMIT, Lab, eventually};

/// How the browser calls a page that another one took the place of before it answered.
const NAVIGATED: [&str; 3] = [
    "Inspected target navigated or closed",
    "Could not find node with given id",
    "Could not find object with given id",
];

pub struct Browser {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    last: u64,
    session: Value,
}

impl Browser {
    /// Opens a page.
    pub fn open(lab: &Lab, url: &str) -> Self {
        let mut command = Command::new("sh");
        lab.dress(&mut command);
        // Its pipes are the descriptors 3 and 4; what it leaves when it is killed goes with the folder.
        let script = "TMPDIR=$PWD exec chromium --headless=new --no-sandbox --disable-gpu --no-first-run \
                      --disable-background-networking --user-data-dir=chrome --remote-debugging-pipe about:blank \
                      3<&0 4>&1 0</dev/null 1>/dev/null 2>&1";
        let mut child = command.args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap();
        let (asks, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut browser = Self { child, asks, answers, last: 0, session: Value::Null };
        let target = browser.ask("Target.createTarget", json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.ask("Target.attachToTarget", target)["sessionId"].clone();
        // On a machine that is very busy the browser may connect long before it asks, and is taken for somebody who waits
        // to be spoken to: then a person loads the page again.
        eventually("the page is loaded", || {
            browser.ask("Page.navigate", json!({ "url": url }))["errorText"].is_null()
        });
        browser
    }

    /// Sends a command, and waits for its result: null if the page that it was for has gone meanwhile.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut request = json!({ "id": self.last, "method": method, "params": params });
        if !self.session.is_null() {
            request["sessionId"] = self.session.clone();
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(0);
        self.asks.write_all(&bytes).unwrap();
        loop {
            let mut answer = Vec::new();
            assert!(self.answers.read_until(0, &mut answer).unwrap() > 0, "the browser ended");
            answer.pop();
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            if answer["id"] == self.last {
                if NAVIGATED.iter().any(|words| answer["error"]["message"] == *words) {
                    return Value::Null;
                }
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// The value of an expression in the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.ask("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Looks again until the expression is true.
    #[track_caller]
    pub fn eventually(&mut self, expression: &str) {
        let began = Instant::now();
        // A page that is not loaded yet has nothing to look at.
        while self.value(&format!("(() => {{ try {{ return {expression}; }} catch {{ return false; }} }})()"))
            != true
        {
            let text = self.value("document.body ? document.body.innerText : \"\"");
            assert!(began.elapsed() < LIMIT, "never: {expression}; the page says: {text}");
        }
    }

    /// Chooses files in a field for files.
    pub fn choose(&mut self, field: &str, files: &[&std::path::Path]) {
        let expression = format!("document.getElementById({})", json!(field));
        eventually("the field takes files", || {
            let found = self.ask("Runtime.evaluate", json!({ "expression": expression }));
            let Some(object) = found["result"]["objectId"].as_str() else { return false };
            !self.ask("DOM.setFileInputFiles", json!({ "objectId": object, "files": files })).is_null()
        });
    }

    /// Types into a field and submits its form, as a person does.
    pub fn submit(&mut self, field: &str, text: &str) {
        let (field, text) = (json!(field), json!(text));
        self.value(&format!(
            "(() => {{ const field = document.getElementById({field}); field.value = {text}; \
             field.form.requestSubmit(); }})()"
        ));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends with its pipe; by its handle otherwise.
        let close = json!({ "id": self.last + 1, "method": "Browser.close" }).to_string() + "\0";
        drop(self.asks.write_all(close.as_bytes()));
        let began = Instant::now();
        while began.elapsed() < LIMIT / 10 && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
