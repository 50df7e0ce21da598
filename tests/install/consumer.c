/* A stranger's program: prints the version of the library it was linked with. */
#include <stdio.h>
#include <syncline.h>

int main(void) {
  puts(syncline_version());
  return 0;
}
