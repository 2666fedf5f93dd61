import ArgumentParser
import CloudburstValues

struct Completions: LocalCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print a completion script for a shell.",
    discussion: """
      Examples:
        cbctl completions bash > ~/.local/share/bash-completion/completions/cbctl
        cbctl completions zsh > ~/.zsh/completions/_cbctl
        cbctl completions fish > ~/.config/fish/completions/cbctl.fish
      """)

  enum Shell: String, ExpressibleByArgument, CaseIterable {
    case bash
    case zsh
    case fish
  }

  @Argument(help: "bash, zsh or fish.") var shell: Shell
  @OptionGroup var local: LocalOptions

  var format: OutputFormat { local.output }

  func runLocally() async throws -> Output {
    let script =
      switch shell {
      case .bash: CBCtl.completionScript(for: .bash)
      case .zsh: CBCtl.completionScript(for: .zsh)
      case .fish: CBCtl.completionScript(for: .fish)
      }
    return Output(json: .string(script), text: script)
  }
}
