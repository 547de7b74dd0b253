#include "node/cli.h"

int main(int argc, char** argv) { return weft::node::run_cli(argc, argv); }
