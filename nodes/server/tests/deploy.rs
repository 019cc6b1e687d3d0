//! `scripts/deploy.sh` without any host: what the dry run says, and, over an ssh that only writes down what it is asked, the
//! order of a rolling deployment. The question whether a node is well is really asked, of a real node.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use vecraft_config::Config;
use vecraft_server::Server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_vecraft");

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/deploy.sh")
}

/// A configuration of three nodes; the health of each is asked at its port.
fn configuration(dir: &Path, http_ports: [u16; 3]) -> PathBuf {
    let mut text = "[cluster]\nname = \"prod\"\nsecret_file = \"/etc/vecraft/secret\"\n".to_owned();
    for (id, port) in (1..=3).zip(http_ports) {
        // Two names of one host: two nodes may then be the same real one.
        let host = if id == 3 { "localhost" } else { "127.0.0.1" };
        let ports = format!(
            "milvus_port = {id}9530\nclient_port = {id}9540\nnode_port = {id}9550\nhttp_port = {port}\n"
        );
        text.push_str(&format!(
            "\n[[node]]\nid = {id}\nhost = \"{host}\"\ndata_dir = \"/srv/vecraft/{id}\"\n{ports}"
        ));
    }
    let file = dir.join("cluster.toml");
    fs::write(&file, text).unwrap();
    file
}

fn deploy(config: &Path, more: &[&str]) -> Output {
    let mut command = Command::new("bash");
    command.arg(script()).args(["--binary", PROGRAM, "--config"]).arg(config).args(more);
    command.env("HEALTHY_SECONDS_MAX", "2").output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// An ssh that writes down its command and answers as a host would: what it did before is the same. The question whether a
/// node is well it really asks.
fn fake_ssh(dir: &Path) -> (String, PathBuf) {
    let (program, asked) = (dir.join("ssh"), dir.join("asked"));
    let text = format!(
        "#!/usr/bin/env bash\n\
         printf '%s\\n' \"$2\" >>{asked}\n\
         case \"$2\" in\n\
         *is-active*) ;;\n\
         *.new* | */started-*) cat >/dev/null\n\
           grep -qxF -- \"$2\" {asked}.before 2>/dev/null && echo same || {{ echo \"$2\" >>{asked}.before; echo changed; }} ;;\n\
         */dev/tcp/*) bash -c \"$2\" ;;\n\
         *'--version; fi') cat {installed} 2>/dev/null || true ;;\n\
         esac\n",
        asked = asked.display(),
        installed = dir.join("installed").display()
    );
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    (program.display().to_string(), asked)
}

#[test]
fn a_dry_run_prints_every_command_and_file_and_asks_no_host() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path(), [9091, 9092, 9093]);
    let secret = dir.path().join("secret");
    fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
    let (ssh, asked) = fake_ssh(dir.path());
    let output = deploy(&config, &["--dry-run", "--ssh", &ssh, "--secret", secret.to_str().unwrap()]);
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    assert!(!asked.exists(), "a host was asked");
    for wanted in [
        "cluster \"prod\", nodes: 1 2 3",
        "ExecStart=/usr/local/bin/vecraft serve --config /etc/vecraft/cluster.toml --node %i",
        "secret_file = \"/etc/vecraft/secret\"",
        "to 127.0.0.1: /etc/vecraft/secret (mode 600, owner vecraft:vecraft)",
        "chown vecraft:vecraft '/srv/vecraft/3'",
        "systemctl restart vecraft@2",
        "/dev/tcp/localhost/9093",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
    }
    assert!(!text.contains("0123456789abcdef0123456789abcdef"), "the secret is shown");
    let at = |what: &str| text.find(what).unwrap();
    assert!(at("/dev/tcp/127.0.0.1/9091") < at("systemctl restart vecraft@2"), "one after another");
    assert!(!text.contains("cluster init"));
}

#[test]
fn the_first_start_of_nodes_that_wait_for_a_person_says_it_once_all_are_started() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path(), [9091, 9092, 9093]);
    let explicit =
        fs::read_to_string(&config).unwrap().replace("[cluster]", "[cluster]\nforming = \"explicit\"");
    fs::write(&config, explicit).unwrap();
    let init = "vecraft cluster init --config /etc/vecraft/cluster.toml";
    let text = said(&deploy(&config, &["--dry-run", "--first"]));
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} is missing: {text}"));
    assert!(
        at("systemctl restart vecraft@3") < at(init) && at(init) < at("/dev/tcp/127.0.0.1/9091"),
        "{text}"
    );
    assert_eq!(text.matches(init).count(), 1);
    assert!(!said(&deploy(&config, &["--dry-run"])).contains(init));
}

#[test]
fn it_checks_before_it_begins() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path(), [9091, 9092, 9093]);
    let (ssh, asked) = fake_ssh(dir.path());
    let refused = |config: &Path, more: &[&str], wanted: &str| {
        let output = deploy(config, &[more, &["--ssh", &ssh]].concat());
        assert!(!output.status.success() && said(&output).contains(wanted), "{wanted}: {}", said(&output));
        assert!(!asked.exists(), "a host was asked");
    };
    refused(&config, &["7"], "there is no node '7'");
    refused(&config, &["--binary", "/nowhere/vecraft"], "there is no program");
    refused(&config, &["--secret", "/nowhere/secret"], "is missing or empty");
    refused(&config, &["--frobnicate"], "--help");
    let wrong = dir.path().join("wrong.toml");
    fs::write(&wrong, "[cluster]\nfrobnicate = 1\n").unwrap();
    refused(&wrong, &[], "frobnicate");
    fs::write(&wrong, fs::read_to_string(&config).unwrap().replace("/srv/vecraft/2", "data/2")).unwrap();
    refused(&wrong, &[], "is relative");
    let output = deploy(&config, &["--ssh", "false"]);
    assert!(said(&output).contains("node 1: 127.0.0.1 cannot be reached"), "{}", said(&output));
    let help = said(&deploy(&config, &["--help"]));
    assert!(help.contains("--dry-run") && help.contains("Examples:"), "{help}");
}

#[test]
fn nodes_that_would_refuse_each_other_are_not_replaced_one_after_another() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path(), [1, 2, 3]);
    let (ssh, asked) = fake_ssh(dir.path());
    let output = Command::new(PROGRAM).arg("--version").output().unwrap();
    let own = said(&output);
    for (installed, is_other) in [
        ("vecraft 0.1.0", true),
        ("vecraft 9, protocol between nodes 999, data format 1", true),
        (&own, false),
    ] {
        fs::write(dir.path().join("installed"), installed).unwrap();
        let rolling = said(&deploy(&config, &["--anyway", "--ssh", &ssh]));
        assert_eq!(rolling.contains("nodes of both refuse each other"), is_other, "{installed}: {rolling}");
        assert_eq!(fs::read_to_string(&asked).unwrap().contains("systemctl restart"), !is_other, "{rolling}");
    }
    fs::write(dir.path().join("installed"), "vecraft 0.1.0").unwrap();
    let together = said(&deploy(&config, &["--ssh", &ssh, "--together"]));
    assert!(together.contains("node 3 is started anew") && !together.contains("cluster init"), "{together}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_on_only_when_a_node_is_well_and_a_second_time_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let node = Config::embedded(dir.path().join("data")).with_free_ports();
    let server = Server::start(&node, 1).await.unwrap();
    let well: u16 = server.addresses().http.rsplit_once(':').unwrap().1.parse().unwrap();
    let (ssh, asked) = fake_ssh(dir.path());
    // Nobody listens at node 2's port: nodes 1 and 3 are the same real one.
    let config = configuration(dir.path(), [well, 1, well]);
    // Nothing is taken down while another one is not well.
    let output = deploy(&config, &["--ssh", &ssh]);
    let text = said(&output);
    assert!(
        !output.status.success() && text.contains("node 1 is not taken down: node 2 does not serve"),
        "{text}"
    );
    let commands = fs::read_to_string(&asked).unwrap();
    assert!(!commands.contains("/srv/vecraft/1") && !commands.contains("systemctl restart"), "{commands}");
    let output = deploy(&config, &["--anyway", "--ssh", &ssh]);
    let text = said(&output);
    assert!(!output.status.success() && text.contains("node 1 is well"), "{text}");
    assert!(text.contains("node 2 does not serve") && text.contains("Nothing more was touched"), "{text}");
    let commands = fs::read_to_string(&asked).unwrap();
    assert!(commands.contains("systemctl restart vecraft@1"), "{commands}");
    assert!(!commands.contains("/srv/vecraft/3"), "node 3 was touched:\n{commands}");

    for wanted in ["started anew: 3", "nothing differs"] {
        let output = deploy(&config, &["--anyway", "--ssh", &ssh, "3"]);
        let text = said(&output);
        assert!(output.status.success() && text.contains("node 3 is well"), "{text}");
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    server.stop("the test says so").await;
}
