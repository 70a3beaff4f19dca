"""The parts of the nemesis: an installation to break, its workload, the faults and the judgement."""
