//! Sidekiq Web under `/sidekiq`, with the prefix stripped and a token asked for.

use crate::curl::curl;
use crate::rails::{ADMIN_TOKEN, stack};
use crate::visitor::{Visitor, csrf_token};
use crate::warpdrive::Proxy;

fn administrator(proxy: &Proxy) -> Visitor {
    let mut visitor = Visitor::new(proxy);
    visitor.fields = format!("X-Admin-Token: {ADMIN_TOKEN}\r\n");
    visitor
}

/// What the attributes of that name lead to in a page.
fn links(page: &str, attribute: &str) -> Vec<String> {
    let start = format!("{attribute}=\"");
    page.split(&start).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

#[test]
fn links_and_assets_carry_the_prefix() {
    let proxy = stack().proxy();
    let mut visitor = administrator(&proxy);
    for target in ["/sidekiq", "/sidekiq/", "/sidekiq/queues", "/sidekiq/busy", "/sidekiq/retries?page=1"] {
        let page = visitor.get(target);
        assert_eq!(page.status, 200, "{target}");
        let page = page.text();
        assert!(page.contains("<title>Sidekiq</title>"), "{target}");
        let local: Vec<String> = ["href", "src", "action"]
            .iter()
            .flat_map(|attribute| links(&page, attribute))
            .filter(|link| link.starts_with('/'))
            .collect();
        assert!(local.len() > 10, "{target}: {local:?}");
        for link in &local {
            assert!(link.starts_with("/sidekiq/"), "{target}: {link}");
        }
        for sheet in local.iter().filter(|link| link.ends_with(".css") || link.ends_with(".png")) {
            assert_eq!(visitor.get(sheet).status, 200, "{target}: {sheet}");
        }
    }
    assert!(visitor.get("/sidekiq/stylesheets/bootstrap.css").header("content-type").unwrap().starts_with("text/css"));
}

#[test]
fn a_form_works_under_the_prefix() {
    let proxy = stack().proxy();
    // A login leaves a job in the queue `mail`.
    assert_eq!(Visitor::new(&proxy).log_in("linus").status, 302);
    let mut visitor = administrator(&proxy);
    let queue = visitor.get("/sidekiq/queues/mail");
    assert!(queue.text().contains("linus"), "{}", queue.text());
    let queues = visitor.get("/sidekiq/queues").text();
    let forms = links(&queues, "action");
    assert!(forms.contains(&"/sidekiq/queues/mail".to_owned()), "{forms:?}");
    let origin = visitor.origin();
    let form = [("authenticity_token", &*csrf_token(&queues)), ("delete", "Delete")];
    let deleted = visitor.post("/sidekiq/queues/mail", &origin, &form);
    let location = format!("{origin}/sidekiq/queues");
    assert_eq!((deleted.status, deleted.header("location")), (302, Some(location.as_str())), "{deleted:?}");
    assert!(!visitor.get("/sidekiq/queues/mail").text().contains("linus"));
    // Without the token of the form, Sidekiq refuses.
    assert_eq!(visitor.post("/sidekiq/queues/mail", &origin, &form[1..]).status, 403);
}

#[test]
fn the_token_opens_it_in_either_form_and_nothing_else_does() {
    let proxy = stack().proxy();
    let status = |arguments: &[&str], target: &str| {
        let finished =
            curl().args(["-o", "/dev/null", "-w", "%{http_code}"]).args(arguments).arg(proxy.url(target)).run();
        finished.stdout
    };
    let token = format!("X-Admin-Token: {ADMIN_TOKEN}");
    let basic = format!("anybody:{ADMIN_TOKEN}");
    for target in ["/sidekiq", "/sidekiq/queues", "//sidekiq/./queues"] {
        assert_eq!(status(&["-H", &token, "--path-as-is"], target), "200", "{target}");
        assert_eq!(status(&["-u", &basic, "--path-as-is"], target), "200", "{target}");
        let wrong: [&[&str]; 5] = [
            &[],
            &["-H", "X-Admin-Token: s3cre"],
            &["-H", "X-Admin-Token: S3CRET"],
            &["-H", "X_Admin_Token: s3cret"],
            &["-u", "s3cret:wrong"],
        ];
        for arguments in wrong {
            let arguments = [&["--path-as-is"], arguments].concat();
            assert_eq!(status(&arguments, target), "401", "{target} {arguments:?}");
        }
    }
    // What a browser needs to ask for the password.
    let refused = Visitor::new(&proxy).get("/sidekiq/");
    assert!(refused.header("www-authenticate").is_some_and(|value| value.starts_with("Basic")), "{refused:?}");
}

#[test]
fn a_neighbour_of_the_prefix_belongs_to_rails() {
    let proxy = stack().proxy();
    let mut visitor = administrator(&proxy);
    for target in ["/sidekiqfoo", "/sidekiq.css", "/Sidekiq"] {
        let answer = visitor.get(target);
        assert_eq!(answer.status, 404, "{target}");
        assert!(answer.header("x-runtime").is_some(), "{target}: {answer:?}");
    }
}
