"""Evaluations through a folder: requests in, answers out, by machines that share nothing else.

    requests/ID.json    what is to be judged; ID is the digest of its content, so asking twice is asking once
    claims/ID.N         the Nth worker that took it up; the highest N holds it
    results/ID.json     the answer; the first one stays
    workers/NAME.json   who serves the folder, and NAME.beat, a count that goes on while that worker lives
    late/ID.NAME        an answer that came after the first, and was not used
    aside/              what was not ours, or not whole

What decides is that a result is there, and it appears whole by one `link`. Claims only save work: if one goes wrong, something is
judged twice and answered once. Files are added and the content of none ever changes (but for claims and beats), so two copies of a
folder may be merged by any tool that copies files. No clock of one machine is ever compared with that of another.
"""
