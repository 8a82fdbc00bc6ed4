"""`.image/publish` and `.image/chart`, with programs in place of Docker, Helm and cosign that write down how they
were called and leave what those would leave. What a registry says to them is not tested here."""

import os
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

from image import REPOSITORY

DIGEST = "sha256:" + "ab" * 32
DOCKER = f"""
case "$2" in
create) echo builder-of-the-release ;;
build)
  for argument; do
    case "$previous" in --metadata-file) echo '{{"containerimage.digest": "{DIGEST}"}}' >"$argument" ;; esac
    case "$argument" in
    type=local,dest=*)
      for platform in linux_amd64 linux_arm64; do
        mkdir -p "${{argument#*dest=}}/$platform/licenses"
        echo binary >"${{argument#*dest=}}/$platform/portcullis"
        echo licence >"${{argument#*dest=}}/$platform/licenses/LICENSE"
      done ;;
    esac
    previous=$argument
  done ;;
esac
"""
HELM = f"""[ "$1" = package ] || printf 'Pushed: it\\nDigest: {DIGEST}\\n' >&2"""
COSIGN = """[ "$1" = sign ] || touch "$4" """


class ReleaseTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.calls = self.folder / "calls"
        self.programs = self.folder / "programs"
        self.programs.mkdir()
        for name, script in {"docker": DOCKER, "helm": HELM, "cosign": COSIGN}.items():
            self.program(name, script)

    def program(self, name, script):
        path = self.programs / name
        path.write_text(f"""#!/bin/sh\necho "${{0##*/}} $*" >>'{self.calls}'\n{script}\n""")
        path.chmod(0o755)

    def run_script(self, name, *arguments):
        tools = {"HELM": str(self.programs / "helm"), "COSIGN": str(self.programs / "cosign")}
        environment = {**os.environ, **tools, "PATH": f"{self.programs}:{os.environ['PATH']}"}
        command = [REPOSITORY / ".image" / name, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done, self.calls.read_text().splitlines()

    def publish(self):
        out = self.folder / "out"
        done, calls = self.run_script("publish", "ghcr.example/Owner/gate", "1.2.3", "c0ffee", "https://example/Owner/gate", out)
        return done, calls, out

    def test_what_was_pushed_is_what_is_signed(self):
        done, calls, out = self.publish()
        self.assertEqual(done.returncode, 0, done.stderr)
        pushed, signed = (next(call for call in calls if word in call) for word in ["--push", "cosign sign "])
        for word in ["--sbom true", "--provenance mode=max", "--platform linux/amd64,linux/arm64", "VERSION=1.2.3", "COMMIT=c0ffee"]:
            self.assertIn(word, pushed)
        self.assertIn("--tag ghcr.example/owner/gate:1.2.3 ", pushed)
        self.assertEqual(signed, f"cosign sign --yes --recursive ghcr.example/owner/gate@{DIGEST}")
        self.assertEqual((out / "digest").read_text(), f"{DIGEST}\n")
        self.assertEqual(calls[-1], "docker buildx rm --force builder-of-the-release")

    def test_the_archives_hold_the_image_s_files_and_the_sums_are_signed(self):
        done, _, out = self.publish()
        self.assertEqual(done.returncode, 0, done.stderr)
        archives = [f"portcullis-1.2.3-linux-{machine}.tar.gz" for machine in ("amd64", "arm64")]
        want = {"SHA256SUMS", "SHA256SUMS.sigstore.json", *archives}
        self.assertEqual({path.name for path in (out / "archives").iterdir()}, want)
        with tarfile.open(out / "archives" / archives[0]) as tar:
            folder = archives[0].removesuffix(".tar.gz")
            self.assertEqual(sorted(tar.getnames()), [f"{folder}/LICENSE", f"{folder}/portcullis"])
        check = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=out / "archives", capture_output=True, check=False)
        self.assertEqual(check.returncode, 0)

    def test_a_push_that_tells_no_digest_is_not_signed(self):
        self.program("docker", DOCKER.replace(f'"{DIGEST}"', "null"))
        done, calls, _ = self.publish()
        self.assertNotEqual(done.returncode, 0)
        self.assertFalse([call for call in calls if call.startswith("cosign")])
        self.assertEqual(calls[-1], "docker buildx rm --force builder-of-the-release")

    def test_the_chart_that_was_pushed_is_what_is_signed(self):
        done, calls = self.run_script("chart", "1.2.3", "oci://ghcr.example/Owner/charts")
        self.assertEqual(done.returncode, 0, done.stderr)
        package, push, sign = calls
        self.assertIn("--version 1.2.3 --app-version 1.2.3 ", package)
        self.assertTrue(push.endswith("/portcullis-1.2.3.tgz oci://ghcr.example/owner/charts"), push)
        self.assertEqual(sign, f"cosign sign --yes ghcr.example/owner/charts/portcullis@{DIGEST}")

    def test_a_chart_that_is_not_taken_is_not_signed_and_helm_s_reason_is_shown(self):
        self.program("helm", '[ "$1" = package ] || { echo "403: denied" >&2; exit 1; }')
        done, calls = self.run_script("chart", "1.2.3", "oci://ghcr.example/Owner/charts")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("403: denied", done.stderr)
        self.assertFalse([call for call in calls if call.startswith("cosign")])

    def test_a_chart_without_a_digest_is_not_signed(self):
        self.program("helm", HELM.replace("Digest", "Digits"))
        done, calls = self.run_script("chart", "1.2.3", "oci://ghcr.example/Owner/charts")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("helm told no digest", done.stderr)
        self.assertFalse([call for call in calls if call.startswith("cosign")])


if __name__ == "__main__":
    unittest.main()
