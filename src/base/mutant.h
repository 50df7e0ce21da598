#pragma once

// Deliberate bugs, for one test program only: it switches them on one by one and demands that the
// simulator notices each (sim/mutants.cc). Everywhere else they are compiled away.
#ifdef SYNCLINE_MUTANTS
namespace syncline {
inline int active_mutant = 0;
}  // namespace syncline
#define SL_MUTANT(number) (::syncline::active_mutant == (number))
#else
#define SL_MUTANT(number) false
#endif
