#include "node/cli.h"
namespace weft::node { void add_model_commands(CLI::App&, CliContext&) {} }
