/* A program that embeds the distribution's shared libpython: the plain build of the allocator, without inlined copies. */
int Py_BytesMain(int argc, char **argv);

int main(int argc, char **argv) { return Py_BytesMain(argc, argv); }
