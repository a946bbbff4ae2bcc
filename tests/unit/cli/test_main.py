import pytest
from click.testing import CliRunner

from app.cli.main import pratique


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["demo", "--help"], ["completion", "--help"]])
def test_help_shows_examples(runner: CliRunner, arguments: list[str]) -> None:
    result = runner.invoke(pratique, arguments)
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert "pratique " in result.output


def test_version(runner: CliRunner) -> None:
    result = runner.invoke(pratique, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("pratique ")


@pytest.mark.parametrize(
    "arguments,words",
    [
        (["serve", "--tls-cert-file", "a"], "go together"),
        (["serve", "--tls-private-key-file", "a"], "go together"),
        (["serve", "--client-ca-file", "a"], "--tls-cert-file"),
    ],
)
def test_options_that_do_not_fit_are_an_error_and_a_hint(runner: CliRunner, arguments: list[str], words: str) -> None:
    result = runner.invoke(pratique, arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert words in result.stderr
    assert "\nhint: " in result.stderr
    assert len(result.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    "arguments", [["serve", "--port=70000"], ["serve", "--controllers=deny"], ["serve", "--nonsense"], ["nonsense"]]
)
def test_usage_errors_are_2(runner: CliRunner, arguments: list[str]) -> None:
    assert runner.invoke(pratique, arguments).exit_code == 2


def test_the_environment_sets_options(runner: CliRunner) -> None:
    result = runner.invoke(pratique, ["serve"], env={"PRATIQUE_SERVE_PORT": "70000"})
    assert result.exit_code == 2
    assert "70000" in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(runner: CliRunner, shell: str) -> None:
    result = runner.invoke(pratique, ["completion", shell])
    assert result.exit_code == 0
    assert "_PRATIQUE_COMPLETE" in result.output


def test_an_unknown_configuration_file_is_an_error_of_one_line(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.server import selfsigned  # noqa: PLC0415 - patched where it is looked up

    class Nothing:
        """No child process for a server that does not start."""

    monkeypatch.setattr(selfsigned, "Generation", Nothing)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("app.observe.logs.configure", lambda *_, **__: None)
    result = runner.invoke(pratique, ["serve", "--config", "/nonexistent/psa.yaml"])
    assert result.exit_code == 2
    assert "/nonexistent/psa.yaml" in result.stderr
    assert "Traceback" not in result.output
