"""Scripts that have a cluster or a workflow manager count a folder in shards, and merge them.

A shard that skips an image ends with exit code 3, which is no failure here: the merge names what was skipped.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from napari_diatom.core.errors import InputError
from napari_diatom.counting.shards import MOST

_SLURM: Final = """\
#!/bin/bash
#SBATCH --job-name=napari-diatom
#SBATCH --array=1-{jobs}
#SBATCH --cpus-per-task={threads}
# Submit this file, and a merge that waits for all its jobs:
#   job=$(sbatch --parsable FILE)
#   sbatch --dependency=afterany:$job --wrap={wrapped}
set -u
{count} --threads {threads} --shard auto/{jobs} || [ $? -eq 3 ]
"""
_SGE: Final = """\
#!/bin/bash
#$ -N napari-diatom
#$ -S /bin/bash
#$ -cwd
#$ -V
#$ -t 1-{jobs}
#$ -pe smp {threads}
# Submit this file with qsub, and a merge that waits for all its jobs:
#   qsub -hold_jid napari-diatom -cwd -V -b y {merge}
# The parallel environment may have another name than smp on your cluster: see qconf -spl.
set -u
{count} --threads {threads} --shard auto/{jobs} || [ $? -eq 3 ]
"""
_SNAKEMAKE: Final = """\
# Save this as Snakefile, and run: snakemake --cores all
SHARDS = {shards!r} + "/{{k}}-of-{jobs}"

rule merge:
    input: expand(SHARDS, k=range(1, {jobs} + 1))
    output: {table!r}
    shell: {merge!r} + " || [ $? -eq 3 ]"

rule shard:
    output: touch(SHARDS)
    threads: {threads}
    shell: {count!r} + " --threads {{threads}} --shard {{wildcards.k}}/{jobs} || [ $? -eq 3 ]"
"""
_NEXTFLOW: Final = """\
// Save this as count.nf, and run: nextflow run count.nf
process shard {{
    cpus {threads}
    input: val k
    output: val k
    shell:
    '''
    cd "!{{workflow.launchDir}}"
    {count} --threads !{{task.cpus}} --shard !{{k}}/{jobs} || [ $? -eq 3 ]
    '''
}}

process merge {{
    input: val all
    shell:
    '''
    cd "!{{workflow.launchDir}}"
    {merge} || [ $? -eq 3 ]
    '''
}}

workflow {{
    merge(shard(Channel.of(1..{jobs})).collect())
}}
"""


def _plain(command: str) -> str:
    return command


def _braced(command: str) -> str:
    """Return a command in which Snakemake finds no wildcards."""
    return command.replace("{", "{{").replace("}", "}}")


_KINDS: Final[Mapping[str, tuple[str, Callable[[str], str]]]] = MappingProxyType(
    {
        "slurm": (_SLURM, _plain),
        "sge": (_SGE, _plain),
        "snakemake": (_SNAKEMAKE, _braced),
        "nextflow": (_NEXTFLOW, _plain),
    }
)
KINDS: Final = tuple(_KINDS)
"""What scripts can be written for."""


def job_script(kind: str, words: Sequence[str], out: str, jobs: int, threads: int, xlsx: bool = False) -> str:
    """Return a script that counts in shards.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`.
    words : sequence of str
        Arguments of ``napari-diatom``, from ``count`` on, without threads and shard.
    out : str
        The folder of results among them.
    jobs : int
        Number of shards.
    threads : int
        Of each.
    xlsx : bool
        Whether the merge writes the tables as XLSX, too.

    Raises
    ------
    InputError
        When there is no such kind, or a number is out of range.
    """
    if kind not in _KINDS:
        raise InputError(f"There is no script for {kind!r}; choose {', '.join(KINDS)}.")
    if not 1 <= jobs <= MOST:
        raise InputError(f"--jobs is {jobs}; give 1 to {MOST:,}.")
    if threads < 1:
        raise InputError(f"--threads is {threads}; give 1 or more.")
    template, written = _KINDS[kind]
    merge = shlex.join(["napari-diatom", "count", out, "--merge", *(["--xlsx"] if xlsx else [])])
    return template.format(
        jobs=jobs,
        threads=threads,
        count=written(shlex.join(["napari-diatom", *words])),
        merge=written(merge),
        wrapped=shlex.quote(merge),
        shards=f"{out.rstrip('/')}.shards",
        table=f"{out.rstrip('/')}/run.json",
    )
