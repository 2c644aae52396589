// SIGTERM and SIGINT as something to wait for.

#ifndef PERENNIAL_SERVER_STOP_SIGNALS_H_
#define PERENNIAL_SERVER_STOP_SIGNALS_H_

namespace perennial {

// Blocks SIGTERM and SIGINT in this thread and all threads that it starts from now on. Call it first in main: a thread
// that was started before would still be killed by them.
void BlockStopSignals();

// Waits for SIGTERM or SIGINT; returns its number. REQUIRES: BlockStopSignals was called.
int AwaitStopSignal();

// From now on a further SIGTERM or SIGINT ends the process at once with `exit_code`. Starts a thread that lives as long
// as the process. REQUIRES: BlockStopSignals was called.
void ExitOnNextStopSignal(int exit_code);

}  // namespace perennial

#endif  // PERENNIAL_SERVER_STOP_SIGNALS_H_
