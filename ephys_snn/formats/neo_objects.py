"""Neo's objects and sessions: what a Block says, and a Block that says what a session does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ephys_snn.errors import InputError
from ephys_snn.formats.segments import join_segments
from ephys_snn.formats.session import Epoch, Event, Session, SpikeTrain, in_ms, memberships, text

if TYPE_CHECKING:
    import neo

WEIGHTS = "weights"  # annotation of a Block: a dict of '<source>-><target>' to (pre, post) arrays


def session_of_blocks(blocks: Sequence[neo.Block], source: str) -> Session:
    """The trains, epochs, events, Groups and ChannelViews of Blocks, on one clock.

    Parameters
    ----------
    blocks : sequence of neo.Block
    source : str
        Where they are from, for messages.

    Raises
    ------
    InputError
        If they hold no spike trains, or their Segments hold different units.
    """
    segments = [segment for block in blocks for segment in block.segments]
    with_spikes = [segment for segment in segments if segment.spiketrains]
    if not with_spikes:
        raise InputError(f"{source} holds no spike trains; there is nothing to analyse")
    whole = join_segments([_read_segment(segment, blocks) for segment in with_spikes], source)
    annotations = {**_annotations(blocks[0]), **whole.annotations}
    weights = annotations.pop(WEIGHTS, {})
    return replace(whole, annotations=annotations, weights={
        tuple(name.split("->")): np.asarray(matrix) for name, matrix in weights.items()})


def block_of_session(session: Session, name: str = "") -> neo.Block:
    """A Block of one Segment with the trains, epochs and events of a session.

    The weights are its annotation ``weights``, a dict, which lives in memory: Neo's writers lose
    it (`ephys_snn.formats.write_nix` does not).
    """
    import neo

    block = neo.Block(name=name)
    block.annotations.update(session.annotations)
    if session.weights:
        block.annotations[WEIGHTS] = {"->".join(areas): matrix
                                      for areas, matrix in session.weights.items()}
    segment = neo.Segment(name="recording")
    for train in session.trains:
        segment.spiketrains.append(neo.SpikeTrain(
            train.times, units="ms", t_start=train.t_start, t_stop=train.t_stop, name=train.name,
            **train.annotations))
    for epoch in session.epochs:
        segment.epochs.append(neo.Epoch(
            epoch.times, epoch.durations, labels=epoch.labels, units="ms", name=epoch.name,
            array_annotations=dict(epoch.annotations)))
    for event in session.events:
        segment.events.append(neo.Event(
            event.times, labels=event.labels, units="ms", name=event.name,
            array_annotations=dict(event.annotations)))
    block.segments.append(segment)
    for group_name, members in session.groups.items():
        group = neo.Group(name=group_name)
        group.add(*(segment.spiketrains[member] for member in members))
        block.groups.append(group)
    return block


def _read_segment(segment: neo.Segment, blocks: Iterable[neo.Block]) -> Session:
    trains = list(segment.spiketrains)
    groups = [(group, str(group.name or "")) for block in blocks for group in block.groups]
    return Session(
        tuple(_read_train(train) for train in trains),
        tuple(_read_epoch(epoch) for epoch in segment.epochs),
        tuple(_read_event(event) for event in segment.events),
        _annotations(segment),
        memberships=memberships(
            [of_group for group, name in groups for of_group in _members(group, name)],
            [of_view for group, _ in groups for of_view in _views(group)],
            [id(train) for train in trains]))


def _members(group: neo.Group, name: str) -> list[tuple[str, list[int]]]:
    """Trains of a Group and of the Groups within it, under one name."""
    inner = [members for child in group.groups for members in _members(child, name)]
    return [(name, [id(train) for train in group.spiketrains]), *inner]


def _views(group: neo.Group) -> list[tuple[str, list[int]]]:
    """Trains of a Group under the names of the ChannelViews beside them."""
    members = [id(train) for train in group.spiketrains]
    own = [(str(view.name or ""), members) for view in group.channelviews]
    return own + [of_view for child in group.groups for of_view in _views(child)]


def _annotations(described: neo.Block | neo.Segment) -> dict[str, Any]:
    return {key: value for key, value in described.annotations.items() if key != "nix_name"}


def _read_train(train: neo.SpikeTrain) -> SpikeTrain:
    unit = train.units.dimensionality.string
    name = str(train.name or "")
    what = f"spike train '{name}'"
    return SpikeTrain(in_ms(train.magnitude, unit, what), name,
                 float(train.t_start.rescale("ms")), float(train.t_stop.rescale("ms")),
                 {key: value.item() if isinstance(value, np.generic) else value
                  for key, value in train.annotations.items()})


def _read_event(event: neo.Event | neo.Epoch) -> Event:
    name = str(event.name or "")
    times = in_ms(event.times.magnitude, event.times.units.dimensionality.string, f"'{name}'")
    labels = text(event.labels) if len(event.labels) else np.full(len(times), "")
    annotations = {key: np.asarray(values) for key, values in event.array_annotations.items()}
    return Event(name=name, times=times, labels=labels, annotations=annotations)


def _read_epoch(epoch: neo.Epoch) -> Epoch:
    event, unit = _read_event(epoch), epoch.durations.units.dimensionality.string
    return event.lasting(in_ms(epoch.durations.magnitude, unit, f"'{event.name}'"))
