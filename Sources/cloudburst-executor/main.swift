import ExecutorRuntime
import Glibc

exit(ExecutorProgram.run(Array(CommandLine.arguments.dropFirst())))
