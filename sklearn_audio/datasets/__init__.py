"""Audio data sets: loaders of public ones, your own, and synthetic sounds.

Every loader returns the same :class:`~sklearn.utils.Bunch`: paths of audio files, class
names, and the speaker or recording that each clip comes from. The user guide,
:ref:`datasets`, says which set suits which problem.

Sounds that need no files
    :func:`make_sound_events`
        synthetic clips of everyday sounds, with sounds of no known class
    :func:`make_anomalous_scenes`
        backgrounds of any origin, some with a foreign event mixed in
    :func:`save_clips`
        write clips as wav files, one subfolder a class

Public sets: speech
    :func:`load_fsdd`
        spoken English digits, 6 speakers
    :func:`load_speech_commands`
        35 English words by thousands of speakers, 10 of them known
    :func:`load_speech_commands_ar`
        Arabic keywords by 30 speakers

Public sets: everyday sounds
    :func:`load_esc10`, :func:`load_esc50`
        environmental sounds in 10 and in 50 classes
    :func:`load_urbansound8k`
        sounds of the city in 10 classes

Your own sounds, and every other public set
    :func:`load_audio_folder`
        a folder with one subfolder a class
    :func:`from_soundata`, :func:`from_mirdata`
        any data set of the libraries soundata and mirdata

Where the files lie
    :func:`get_data_home`
        the folder that the loaders look in
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
